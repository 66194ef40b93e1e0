//! Aligned columns: words to the left, figures to the right, colours that take no width.

use crate::evaluate::Share;

/// How a cell looks on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paint {
    Plain,
    Strong,
    Dim,
    Good,
    Bad,
}

/// Text as it looks, where colours are wanted.
pub(super) fn painted(text: &str, paint: Paint, colour: bool) -> String {
    let code = match paint {
        // codes behind the last word of a line would keep its spaces
        _ if text.is_empty() => return String::new(),
        Paint::Strong => "1",
        Paint::Dim => "2",
        Paint::Good => "32",
        Paint::Bad => "31",
        Paint::Plain => return text.to_owned(),
    };
    if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// Rows under a head. A column without a head belongs to the one before it.
pub(super) struct Table {
    /// So many columns at the left hold words.
    words: usize,
    rows: Vec<Row>,
}

/// Cells, and how each looks.
pub(super) struct Row(Vec<(String, Paint)>);

impl Row {
    /// Paints a cell.
    pub(super) fn paint(&mut self, column: usize, paint: Paint) -> &mut Self {
        if let Some(cell) = self.0.get_mut(column) {
            cell.1 = paint;
        }
        self
    }

    /// Paints a share: all is good, less than all is not.
    pub(super) fn share(&mut self, column: usize, share: &Share) -> &mut Self {
        let paint = if share.right == share.of { Paint::Good } else { Paint::Bad };
        self.paint(column, paint)
    }
}

impl Table {
    pub(super) fn new(head: &[&str], words: usize) -> Self {
        let head = head.iter().map(|title| ((*title).to_owned(), Paint::Dim)).collect();
        Self { words, rows: vec![Row(head)] }
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) -> &mut Row {
        let row = Row(cells.into_iter().map(|cell| (plain(&cell), Paint::Plain)).collect());
        self.rows.push_mut(row)
    }

    /// Nothing where there is no row.
    pub(super) fn text(&self, colour: bool) -> String {
        if self.rows.len() < 2 {
            return String::new();
        }
        let columns = self.rows.iter().map(|row| row.0.len()).max().unwrap_or(0);
        let cell_width =
            |row: &Row, column: usize| row.0.get(column).map_or(0, |cell| cell.0.chars().count());
        let widths: Vec<usize> = (0..columns)
            .map(|column| self.rows.iter().map(|row| cell_width(row, column)).max().unwrap_or(0))
            .collect();
        let line = |row: &Row| {
            let mut line = String::new();
            for (column, ((cell, paint), width)) in row.0.iter().zip(&widths).enumerate() {
                let padding = " ".repeat(width - cell.chars().count());
                let cell = painted(cell, *paint, colour);
                let padded = if column < self.words { cell + &padding } else { padding + &cell };
                line.push_str("  ");
                line.push_str(&padded);
            }
            line.trim_end().to_owned() + "\n"
        };
        self.rows.iter().map(line).collect()
    }
}

/// Names come from files: a terminal is told nothing by them.
pub(super) fn plain(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).collect()
}
