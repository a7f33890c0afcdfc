//! A page as the tests see it: headings, fenced blocks, links.

use std::path::{Path, PathBuf};

/// A fenced block.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// The first word behind the fence: `console`.
    pub(crate) language: String,
    /// `ignore` stands there too.
    pub(crate) ignored: bool,
    pub(crate) text: String,
    /// The line of the fence, from 1.
    pub(crate) line: usize,
}

/// A link of the text.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) target: String,
    pub(crate) line: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Page {
    /// From the project's root.
    pub(crate) name: String,
    /// Level and text.
    pub(crate) headings: Vec<(usize, String)>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) links: Vec<Link>,
    /// First cells of tables, where they are code.
    pub(crate) keys: Vec<String>,
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

impl Page {
    pub(crate) fn read(name: &str) -> Self {
        let text =
            std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut page =
            Self { name: name.into(), headings: vec![], blocks: vec![], links: vec![], keys: vec![] };
        let mut open: Option<(Block, usize)> = None;
        for (index, line) in text.lines().enumerate() {
            let fence = line.trim_start();
            let indent = line.len() - fence.len();
            if let Some((block, indent)) = &mut open {
                if fence == "```" {
                    page.blocks.extend(open.take().map(|(block, _)| block));
                } else {
                    block.text.push_str(line.get(*indent..).unwrap_or_else(|| line.trim_start()));
                    block.text.push('\n');
                }
            } else if let Some(words) = fence.strip_prefix("```") {
                let mut words = words.split_whitespace();
                let language = words.next().unwrap_or_default().to_owned();
                let ignored = words.next() == Some("ignore");
                open = Some((Block { language, ignored, text: String::new(), line: index + 1 }, indent));
            } else {
                if let Some(rest) = line.strip_prefix('#') {
                    let level = 1 + rest.chars().take_while(|c| *c == '#').count();
                    page.headings.push((level, rest.trim_start_matches('#').trim().to_owned()));
                }
                if let Some(cell) = line.strip_prefix("| `").and_then(|rest| rest.split_once('`')) {
                    page.keys.push(cell.0.to_owned());
                }
                page.links.extend(links(line).into_iter().map(|target| Link { target, line: index + 1 }));
            }
        }
        assert!(open.is_none(), "{name}: a block is not closed");
        page
    }

    /// The anchors of its headings, as GitHub makes them.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let mut anchors: Vec<String> = Vec::new();
        for (_, heading) in &self.headings {
            let plain: String = heading
                .to_lowercase()
                .chars()
                .filter(|c| c.is_alphanumeric() || "-_ ".contains(*c))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect();
            let same = anchors.iter().filter(|other| **other == plain).count();
            anchors.push(if same == 0 { plain } else { format!("{plain}-{same}") });
        }
        anchors
    }

    pub(crate) fn blocks_of<'p>(&'p self, language: &'p str) -> impl Iterator<Item = &'p Block> {
        self.blocks.iter().filter(move |block| block.language == language)
    }

    /// Where a mistake of a block is.
    pub(crate) fn place(&self, block: &Block) -> String {
        format!("{}:{}", self.name, block.line)
    }
}

/// The targets of `[text](target)`, code left out.
fn links(line: &str) -> Vec<String> {
    let mut plain = String::new();
    for (index, part) in line.split('`').enumerate() {
        // What stands in code is no link, but a link's text may be code.
        plain.push_str(if index % 2 == 0 { part } else { "code" });
    }
    let mut found = Vec::new();
    let mut rest = plain.as_str();
    while let Some((_, after)) = rest.split_once("](") {
        let Some((target, behind)) = after.split_once(')') else { break };
        found.push(target.to_owned());
        rest = behind;
    }
    found
}
