//! Characters that are drawn as rectangles: fonts do not agree on lines and blocks, and theirs must meet.

use super::svg::CELL;

/// A rectangle, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rectangle {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Rectangle {
    /// Goes on to the right with `next`, where that begins at its end.
    pub fn join(&mut self, next: Rectangle) -> bool {
        let joins = self.y == next.y && self.height == next.height && self.x + self.width == next.x;
        if joins {
            self.width += next.width;
        }
        joins
    }

    /// As part of a path.
    pub fn path(&self) -> String {
        let [x, y, width, height] =
            [self.x, self.y, self.width, self.height].map(|pixels| (pixels * 100.0).round() / 100.0);
        format!("M{x} {y}h{width}v{height}h-{width}z")
    }
}

/// What a character looks like in its cell; `None` where it is a letter.
pub fn rectangles(symbol: &str) -> Option<Vec<Rectangle>> {
    let mut characters = symbol.chars();
    let (Some(character), None) = (characters.next(), characters.next()) else { return None };
    block(character).map(|block| vec![block]).or_else(|| lines(character))
}

fn block(character: char) -> Option<Rectangle> {
    let (width, height) = (f64::from(CELL.0), f64::from(CELL.1));
    let eighths = |number: u32| f64::from(number) / 8.0;
    let code = u32::from(character);
    Some(match code {
        0x2580 => Rectangle { x: 0.0, y: 0.0, width, height: height / 2.0 },
        // One to eight eighths from below.
        0x2581..=0x2588 => {
            let part = height * eighths(code - 0x2580);
            Rectangle { x: 0.0, y: height - part, width, height: part }
        }
        // Seven eighths to one from the left.
        0x2589..=0x258f => Rectangle { x: 0.0, y: 0.0, width: width * eighths(0x2590 - code), height },
        0x2590 => Rectangle { x: width / 2.0, y: 0.0, width: width / 2.0, height },
        _ => return None,
    })
}

fn lines(character: char) -> Option<Vec<Rectangle>> {
    // To the left, right, up, down.
    let [left, right, up, down] = match character {
        '─' => [true, true, false, false],
        '│' => [false, false, true, true],
        '┌' | '╭' => [false, true, false, true],
        '┐' | '╮' => [true, false, false, true],
        '└' | '╰' => [false, true, true, false],
        '┘' | '╯' => [true, false, true, false],
        '├' => [false, true, true, true],
        '┤' => [true, false, true, true],
        '┬' => [true, true, false, true],
        '┴' => [true, true, true, false],
        '┼' => [true; 4],
        _ => return None,
    };
    let (width, height) = (f64::from(CELL.0), f64::from(CELL.1));
    let (middle, centre) = ((width / 2.0).floor(), (height / 2.0).floor());
    let mut found = Vec::new();
    if left || right {
        let (from, to) = (if left { 0.0 } else { middle }, if right { width } else { middle + 1.0 });
        found.push(Rectangle { x: from, y: centre, width: to - from, height: 1.0 });
    }
    if up || down {
        let (from, to) = (if up { 0.0 } else { centre }, if down { height } else { centre + 1.0 });
        found.push(Rectangle { x: middle, y: from, width: 1.0, height: to - from });
    }
    Some(found)
}
