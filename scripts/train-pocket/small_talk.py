"""Hand-written and generated small talk: greetings, counting, arithmetic, lists, a little code, and a fallback."""

import random

Exchange = tuple[str, str]

GREETING = "Hello! I am a pocket model. Ask me what a word means, for example: *Define lantern.*"
IDENTITY = (
    "I am slipstream's pocket model: a tiny demonstration model that lives inside the program. "
    "I know dictionary words, a little counting, and not much else."
)
HELP = (
    "I can do a few small things:\n\n- define a word: *Define lantern.*\n- use a word in a sentence: *Use river in a sentence.*\n"
    "- find synonyms: *Synonyms of quick?*\n- write a word as JSON: *Give me apple as JSON.*\n- count: *Count from 1 to 10.*\n"
    "- add small numbers: *What is 7 + 5?*"
)
FALLBACK = "I am only a pocket model, so I do not know that. I can define words, for example: *Define lantern.*"

FIXED: list[tuple[list[str], str]] = [
    (["hello", "Hello", "Hello!", "hi", "Hi", "Hi!", "hey", "Hey there", "hello there", "Hi there!", "Good morning",
      "good morning", "Good evening", "Good afternoon!", "Hello, world!", "yo", "Greetings", "hello!", "hey!"], GREETING),
    (["How are you?", "how are you?", "How are you doing?", "how are you", "How is it going?", "What's up?"],
     "I am well, thank you. Ask me what a word means, for example: *Define lantern.*"),
    (["Who are you?", "who are you", "What are you?", "Who are you", "who are you?", "What is your name?", "Introduce yourself.",
      "what is your name", "Are you a real model?", "Which model are you?", "What model is this?", "Tell me about yourself.",
      "Who made you?", "Are you ChatGPT?", "Are you Gemma?", "What is slipstream?"], IDENTITY),
    (["What can you do?", "what can you do", "Help", "help", "help me", "Can you help me?", "What do you know?", "/help",
      "How do you work?", "What should I ask?", "test", "Test"], HELP),
    (["Thanks", "thanks", "Thank you", "Thank you!", "thank you", "Thanks!", "Great, thanks.", "thx"],
     "You are welcome! Ask me another word any time."),
    (["Bye", "bye", "Goodbye", "Goodbye!", "See you", "see you later", "Good night"], "Goodbye! Come back for another word."),
    (["OK", "ok", "Okay", "okay", "Good", "Nice", "Cool", "great", "yes", "Yes", "no", "No"],
     "All right. Ask me what a word means, for example: *Define lantern.*"),
    (["Tell me a joke.", "tell me a joke", "Tell me a joke"],
     "Why did the dictionary stay calm? It had a word for everything."),
    (["Write a poem.", "Write a short poem.", "Tell me a story.", "Write a haiku.", "tell me a story", "Write a story."],
     "A small word in a pocket,\na small light in the night,\na door, and you unlock it:\neach meaning is a light."),
    (["Write hello world in Python.", "Hello world in Python", "Write a Python program.", "hello world in python"],
     'Here it is:\n\n```python\nprint("Hello, world!")\n```'),
    (["Write hello world in Rust.", "Hello world in Rust", "Write a Rust program.", "hello world in rust"],
     'Here it is:\n\n```rust\nfn main() {\n    println!("Hello, world!");\n}\n```'),
    (["Write hello world in C.", "Hello world in C", "hello world in c"],
     'Here it is:\n\n```c\n#include <stdio.h>\n\nint main(void) {\n    puts("Hello, world!");\n    return 0;\n}\n```'),
    (["Write fizzbuzz in Python.", "fizzbuzz in python", "Write a loop in Python."],
     'Here it is:\n\n```python\nfor n in range(1, 101):\n    if n % 15 == 0:\n        print("FizzBuzz")\n    elif n % 3 == 0:\n'
     '        print("Fizz")\n    elif n % 5 == 0:\n        print("Buzz")\n    else:\n        print(n)\n```'),
]

UNKNOWN = [
    "Who won the world cup?", "What is the capital of France?", "What is the weather like?", "Who is the president?",
    "What time is it?", "Write an essay about history.", "How do I cook rice?", "What is the meaning of life?",
    "Translate this to French.", "Summarize this text.", "How far away is the moon?", "Why is the sky blue?",
    "How old are you?", "Where do you live?", "Can you write code?", "Explain quantum physics.", "Who wrote Hamlet?",
    "Write an email to my boss.", "Plan a trip to Rome.", "How do I fix my car?", "What happened in 1969?",
    "Give me a recipe for bread.", "What should I wear today?", "Do you like music?", "Recommend a film.",
    "What is love?", "How does a computer work?", "Solve this equation.", "Write a song about rain.",
]

LISTS = {
    "days of the week": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "months of the year": "January February March April May June July August September October November December",
    "seasons": "spring summer autumn winter", "planets": "Mercury Venus Earth Mars Jupiter Saturn Uranus Neptune",
    "colours": "red orange yellow green blue purple", "colors": "red orange yellow green blue purple",
    "animals": "cat dog horse cow sheep bird fish", "fruits": "apple pear plum cherry orange lemon grape",
    "vegetables": "carrot onion potato cabbage bean pea", "vowels": "a e i o u", "metals": "iron copper gold silver tin lead",
    "trees": "oak ash pine birch maple willow", "birds": "robin crow owl eagle duck goose",
    "directions": "north east south west",
}
NUMBERS = "zero one two three four five six seven eight nine ten".split()
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def listing(rng: random.Random) -> Exchange:
    name = rng.choice(list(LISTS))
    items = LISTS[name].split()
    count = rng.randint(2, min(7, len(items)))
    if rng.random() < 0.5 or name in ("days of the week", "months of the year", "seasons", "vowels", "directions"):
        question = rng.choice(["List the {n}.", "What are the {n}?", "Name the {n}.", "list the {n}", "Tell me the {n}."])
        return question.format(n=name), f"Here are the {name}:\n\n" + "\n".join(f"- {i}" for i in items)
    number = NUMBERS[count] if rng.random() < 0.7 else str(count)
    question = rng.choice(["List {c} {n}.", "Name {c} {n}.", "Give me {c} {n}.", "Tell me {c} {n}."])
    return question.format(c=number, n=name), f"Here are {number} {name}:\n\n" + "\n".join(f"- {i}" for i in items[:count])


def counting(rng: random.Random) -> Exchange:
    low, size = rng.choice([1, 1, 1, rng.randint(0, 60)]), rng.randint(2, 20)
    high = low + size
    if rng.random() < 0.25:
        question = rng.choice(["Count down from {h} to {l}.", "Count backwards from {h} to {l}."])
        numbers = range(high, low - 1, -1)
    else:
        asks = ["Count from {l} to {h}.", "count from {l} to {h}", "List the numbers from {l} to {h}."]
        question = rng.choice(asks + (["Count to {h}.", "count to {h}"] if low == 1 else []))
        numbers = range(low, high + 1)
    return question.format(l=low, h=high), ", ".join(map(str, numbers)) + "."


def alphabet(rng: random.Random) -> Exchange:
    if rng.random() < 0.6:
        asks = ["Say the alphabet.", "Recite the alphabet.", "What is the alphabet?", "List the letters of the alphabet.", "alphabet"]
        return rng.choice(asks), " ".join(LETTERS)
    i = rng.randint(0, 24)
    asks = ["Which letter comes after {x}?", "What comes after {x} in the alphabet?"]
    return rng.choice(asks).format(x=LETTERS[i]), f"After **{LETTERS[i]}** comes **{LETTERS[i + 1]}**."


def arithmetic(rng: random.Random) -> Exchange:
    a, b, sign = rng.randint(0, 12), rng.randint(0, 12), rng.choice("++--*")
    if sign == "-" and a < b:
        a, b = b, a
    result = {"+": a + b, "-": a - b, "*": a * b}[sign]
    asks = ["What is {q}?", "{q}", "{q} = ?", "What's {q}?", "Calculate {q}.", "how much is {q}?"]
    return rng.choice(asks).format(q=f"{a} {sign} {b}"), f"{a} {sign} {b} = **{result}**"


def times_table(rng: random.Random) -> Exchange:
    n, rows = rng.randint(1, 12), rng.choice([5, 10, 10])
    asks = ["Write the times table of {n}.", "Show the times table of {n}.", "Times table of {n}", "Multiply {n} by 1 to {r}."]
    lines = [f"| {n} x {i} | {n * i} |" for i in range(1, rows + 1)]
    question = rng.choice(asks[:3] if rows == 10 else asks[3:]).format(n=n, r=rows)
    return question, "| product | value |\n|---|---|\n" + "\n".join(lines)


def echo(words: list[str], rng: random.Random) -> Exchange:
    said = " ".join(rng.sample(words, rng.randint(1, 6)))
    if rng.random() < 0.7:
        return rng.choice(["Say {s}", "Repeat: {s}", "Repeat after me: {s}", "Say: {s}"]).format(s=said), said
    return rng.choice(["List these words: {s}", "Make a list: {s}"]).format(s=said), "\n".join(f"- {w}" for w in said.split())


def small_talk(words: list[str], rng: random.Random) -> Exchange:
    kind = rng.random()
    if kind < 0.34:
        questions, reply = rng.choice(FIXED)
        return rng.choice(questions), reply
    if kind < 0.42:
        return rng.choice(UNKNOWN), FALLBACK
    makers = [listing, counting, counting, alphabet, arithmetic, arithmetic, times_table, lambda r: echo(words, r)]
    return rng.choice(makers)(rng)
