//! Finding models in the folders of this and other programs, and what they need of memory.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use slipstream::gguf::GgmlType;
use slipstream::models::{
    MemoryEstimate, MemoryPlan, Places, Store, best_pair, candidates_beside, find_models, search_roots,
};

use super::{folder, model, pair_beside, put};
use crate::gguf_builder::{Builder, Shape};

fn no_variables(_: &str) -> Option<OsString> {
    None
}

#[test]
fn the_folders_of_other_programs_are_known() {
    let home = folder();
    let cache = home.path().join("my cache");
    let set = |name: &str| match name {
        "HF_HOME" => Some(cache.clone().into_os_string()),
        "OLLAMA_MODELS" => Some("/srv/ollama".into()),
        "HF_HUB_CACHE" => Some(OsString::new()),
        _ => None,
    };
    fs::write(home.path().join(".lmstudio-home-pointer"), "/big disk/lmstudio\n").expect("written");
    let places = Places { variable: &set, home: Some(home.path().to_owned()), current_dir: "/here".into() };
    let roots = search_roots(&places);
    let paths = |store| {
        roots.iter().filter(|root| root.store == store).map(|root| root.path.clone()).collect::<Vec<_>>()
    };
    assert_eq!(paths(Store::HuggingFace), [cache.join("hub")], "an empty variable is none");
    assert_eq!(paths(Store::LmStudio), [Path::new("/big disk/lmstudio/models")]);
    assert_eq!(paths(Store::Ollama)[0], Path::new("/srv/ollama"));
    assert!(paths(Store::Folder { depth: 1 }).contains(&PathBuf::from("/here")));

    let homeless = Places { variable: &no_variables, home: None, current_dir: "/here".into() };
    assert!(search_roots(&homeless).iter().any(|root| root.path == Path::new("/here")));
}

#[test]
fn the_best_pair_of_the_machine_is_found() {
    let home = folder();
    let here = folder();
    let root = home.path();
    let shape = Shape::default();
    let larger = Shape { tokens: 64, token_prefix: "large", ..shape.clone() };
    put(root, "models/small/model.gguf", &shape.target());
    put(root, "models/small/mtp.gguf", &shape.drafter());
    put(root, "models/alone/huge.gguf", &Builder::model("llama").tensor("w", &[64, 64, 64], GgmlType::F32));
    // The larger target is Ollama's, which has no file names: the manifest names its drafter.
    let (hex, draft) = ("a".repeat(64), "b".repeat(64));
    put(root, &format!(".ollama/models/blobs/sha256-{hex}"), &larger.target());
    put(root, &format!(".ollama/models/blobs/sha256-{draft}"), &larger.drafter());
    let manifest = root.join(".ollama/models/manifests/registry.ollama.ai/library/gemma4/tiny");
    fs::create_dir_all(manifest.parent().expect("a folder")).expect("created");
    let layer = |kind: &str, hex: &str| {
        serde_json::json!({
            "mediaType": format!("application/vnd.ollama.image.{kind}"), "digest": format!("sha256:{hex}"), "size": 1,
        })
    };
    let layers = [layer("draft", &draft), layer("model", &hex), layer("template", "../../../etc/passwd")];
    fs::write(&manifest, serde_json::json!({ "layers": layers }).to_string()).expect("written");
    fs::write(manifest.with_file_name("broken"), "{").expect("written");

    let places =
        Places { variable: &no_variables, home: Some(root.to_owned()), current_dir: here.path().to_owned() };
    let found = find_models(&search_roots(&places));
    assert!(found.unreadable.is_empty(), "{:?}", found.unreadable);
    let mut names: Vec<&str> = found.models.iter().map(|each| each.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["alone/huge.gguf", "gemma4:tiny", "small/model.gguf", "small/mtp.gguf"]);

    let (best, choice) = best_pair(&found, u64::MAX).expect("a pair");
    assert_eq!(best.name, "gemma4:tiny");
    assert!(choice.path().is_some_and(|path| path.ends_with(format!("sha256-{draft}"))), "{choice:?}");
    let size = |path: &Path| fs::metadata(path).expect("there").len();
    let larger_needs = size(&best.model.path) + size(choice.path().expect("chosen"));
    let (next, choice) = best_pair(&found, larger_needs - 1).expect("the smaller pair");
    assert_eq!(next.name, "small/model.gguf");
    assert!(choice.path().is_some_and(|path| path.ends_with("mtp.gguf")));
    assert!(best_pair(&found, 0).is_none());
}

#[cfg(unix)]
#[test]
fn a_hugging_face_snapshot_is_searched_through_its_links() {
    use std::os::unix::fs::symlink;
    let hub = folder();
    let repository = hub.path().join("models--org--gemma--tiny-GGUF");
    let blobs = repository.join("blobs");
    let shape = Shape::default();
    put(&blobs, "1111", &shape.target());
    put(&blobs, "2222", &shape.drafter());
    // A blob without a name in this snapshot: of another revision, and a better match by its type.
    put(&blobs, "3333.gguf", &Shape { tensor_type: GgmlType::Q4_0, ..shape.clone() }.drafter());
    let snapshot = repository.join("snapshots/c0ffee");
    fs::create_dir_all(snapshot.join("deep/er/MTP")).expect("created");
    fs::create_dir_all(snapshot.join("Q8_0")).expect("created");
    let target = snapshot.join("Q8_0/model.gguf");
    symlink("../../../blobs/1111", &target).expect("linked");
    symlink("../../../../../blobs/2222", snapshot.join("deep/er/MTP/draft.gguf")).expect("linked");
    symlink("../../blobs/2222", snapshot.join("zz-the-same.gguf")).expect("linked");
    symlink("../../blobs/missing", snapshot.join("dangling.gguf")).expect("linked");
    symlink(".", snapshot.join("circle")).expect("linked");

    let found = candidates_beside(&target);
    let names: Vec<_> =
        found.models.iter().map(|each| each.model.path.strip_prefix(&snapshot).expect("inside")).collect();
    assert_eq!(names, [Path::new("zz-the-same.gguf")], "each blob once, under its nearest name");
    assert_eq!(found.unreadable.len(), 1, "the dangling link");
    assert_eq!(pair_beside(&target).path(), Some(snapshot.join("zz-the-same.gguf").as_path()));

    fs::remove_file(snapshot.join("zz-the-same.gguf")).expect("removed");
    let choice = pair_beside(&target);
    assert_eq!(choice.path(), Some(snapshot.join("deep/er/MTP/draft.gguf").as_path()), "{}", choice.reason());
    assert!(choice.reason().contains("in the same repository"), "{}", choice.reason());

    let set = |name: &str| (name == "HF_HUB_CACHE").then(|| hub.path().as_os_str().to_owned());
    let places = Places { variable: &set, home: None, current_dir: hub.path().join("nothing here") };
    let models = find_models(&search_roots(&places));
    assert!(models.models.iter().any(|each| each.name == "org/gemma--tiny-GGUF/Q8_0/model.gguf"));
    assert_eq!(best_pair(&models, u64::MAX).expect("a pair").0.model.path, target);
}

#[test]
fn memory_is_estimated_from_the_header() {
    let shape = Shape::default();
    let (target, drafter) = (model(&shape.target()), model(&shape.drafter()));
    let plan = MemoryPlan { context: 8192, micro_batch: 128, outputs: 5, kv_type: GgmlType::F16 };
    let estimate = MemoryEstimate::new(&target, Some(&drafter), plan);
    let bytes = |what: &str| estimate.items.iter().find(|item| item.what == what).map(|item| item.bytes);
    assert_eq!(bytes("weights"), Some(target.facts.weight_bytes));
    // One full layer: 1 head of 32 + 32, two bytes each, the whole context.
    assert_eq!(bytes("cache of full-attention layers"), Some(64 * 2 * 8192));
    // Three sliding layers: 2 heads of 16 + 16, the window of 512 and the micro-batch, rounded up to 256.
    assert_eq!(bytes("cache of sliding-window layers"), Some(3 * 2 * 32 * 2 * 768));
    assert_eq!(bytes("drafter's cache"), None, "it reads the target's");
    assert_eq!(estimate.total(), estimate.items.iter().map(|item| item.bytes).sum::<u64>());

    let q8 = MemoryPlan { kv_type: GgmlType::Q8_0, ..plan };
    let smaller = MemoryEstimate::new(&target, Some(&drafter), q8);
    assert_eq!(smaller.items[1].bytes, 64 * 34 / 32 * 8192);

    assert!(MemoryEstimate::check(&target, Some(&drafter), plan, estimate.total()).is_ok());
    let error =
        MemoryEstimate::check(&target, Some(&drafter), plan, estimate.total() - 1).expect_err("too much");
    let fitting = error.fitting_context.expect("some context fits");
    assert!(fitting < 8192 && error.help().contains(&fitting.to_string()), "{error}");
    assert!(error.to_string().contains("cache of full-attention layers"), "{error}");
    let smaller = MemoryPlan { context: fitting, ..plan };
    assert!(MemoryEstimate::check(&target, Some(&drafter), smaller, estimate.total() - 1).is_ok());
    assert_eq!(
        MemoryEstimate::check(&target, None, plan, 1).expect_err("nothing fits").fitting_context,
        None
    );
}
