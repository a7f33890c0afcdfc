//! A small tree of an XML answer, with its text kept exactly: blanks, line ends and all.
//!
//! Owns reading only. Attributes and namespaces are left out: the clouds' answers say nothing in them.

use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Map, Value as Json};

/// Elements nested deeper than this are refused: no cloud's answer comes near.
const DEEPEST: usize = 64;

/// An element.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) children: Vec<Node>,
    text: String,
}

impl Node {
    /// The first child of a name.
    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|child| child.name == name)
    }

    /// What lies at the end of a path of names.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, name| node.get(name))
    }

    /// The element as JSON: text, or its members by name; those of one name are a list. An empty element says nothing.
    pub(crate) fn json(&self) -> Option<Json> {
        if self.children.is_empty() {
            return self.text().map(Json::String);
        }
        let mut members = Map::new();
        for child in &self.children {
            let Some(value) = child.json() else { continue };
            match members.get_mut(&child.name) {
                None => drop(members.insert(child.name.clone(), value)),
                Some(Json::Array(items)) => items.push(value),
                Some(first) => *first = Json::Array(vec![first.take(), value]),
            }
        }
        Some(Json::Object(members))
    }

    /// The element's own text; none where it has children or is empty.
    pub(crate) fn text(&self) -> Option<String> {
        (self.children.is_empty() && !self.text.is_empty()).then(|| self.text.clone())
    }
}

/// Reads a document to its root element.
///
/// # Errors
/// What is wrong with it, without its content.
pub(crate) fn read(bytes: &[u8]) -> Result<Node, String> {
    read_without(bytes, &[], |_| {})
}

/// Reads a document to its root element, but for the elements at the end of a path of names, root included: each is handed over when it
/// ends, and is not kept. So a long list need not be in memory as a tree.
///
/// # Errors
/// What is wrong with it, without its content.
pub(crate) fn read_without(bytes: &[u8], path: &[&str], mut take: impl FnMut(Node)) -> Result<Node, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the answer is no UTF-8".to_owned())?;
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<Node> = Vec::new();
    loop {
        let wrong = |error: quick_xml::Error| format!("the answer is no XML: {error}");
        match reader.read_event().map_err(wrong)? {
            Event::Start(start) => {
                if open.len() >= DEEPEST {
                    return Err("the answer nests too deeply".into());
                }
                let name = start.local_name();
                let name = name.as_ref().to_owned();
                open.push(Node { name, ..Node::default() });
            }
            Event::End(_) => {
                let Some(node) = open.pop() else { return Err("the answer is no XML".into()) };
                let at_path = || {
                    let above = open.iter().map(|node| node.name.as_str());
                    above.chain([node.name.as_str()]).eq(path.iter().copied())
                };
                if open.len() + 1 == path.len() && at_path() {
                    take(node);
                    continue;
                }
                match open.last_mut() {
                    Some(parent) => parent.children.push(node),
                    None => return Ok(node),
                }
            }
            Event::Text(text) => {
                if let Some(node) = open.last_mut() {
                    // Line ends as XML says: \r\n is \n; a \r that is meant comes as a reference.
                    node.text.push_str(&text.xml10_content());
                }
            }
            Event::CData(data) => {
                if let Some(node) = open.last_mut() {
                    node.text.push_str(&data);
                }
            }
            Event::GeneralRef(reference) => {
                if let Some(node) = open.last_mut() {
                    node.text.push_str(&resolve(&reference)?);
                }
            }
            Event::Eof => return Err("the answer is cut short".into()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) | Event::Empty(_) => {}
        }
    }
}

/// The five named references and character references; a document type could define others, but none is read.
fn resolve(reference: &quick_xml::events::BytesRef<'_>) -> Result<String, String> {
    if let Some(character) =
        reference.resolve_char_ref().map_err(|error| format!("the answer is no XML: {error}"))?
    {
        return Ok(character.to_string());
    }
    let name: &str = reference;
    let known = [("amp", "&"), ("lt", "<"), ("gt", ">"), ("quot", "\""), ("apos", "'")];
    let found = known.iter().find(|(known, _)| *known == name);
    found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| "the answer holds an unknown reference".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_kept_exactly() {
        let tree = read(
            "<a xmlns=\"x\"><b> 两 &amp; &#x1F680;\n\ttab&#13; </b><c/><d><![CDATA[<x>&amp;]]></d></a>"
                .as_bytes(),
        )
        .unwrap();
        assert_eq!(tree.at(&["b"]).unwrap().text().unwrap(), " 两 & 🚀\n\ttab\r ");
        assert_eq!(tree.get("c").unwrap().text(), None);
        assert_eq!(tree.get("d").unwrap().text().unwrap(), "<x>&amp;");
    }

    #[test]
    fn the_elements_of_a_path_are_handed_over_and_not_kept() {
        let mut taken = Vec::new();
        let document = "<a><list><item>1</item><other><item>2</item></other></list><item>3</item></a>";
        let rest = read_without(document.as_bytes(), &["a", "list", "item"], |node| taken.push(node.text()));
        assert_eq!(taken, [Some("1".to_owned())]);
        let rest = rest.unwrap();
        assert_eq!(rest.at(&["list", "other", "item"]).unwrap().text().unwrap(), "2");
        assert_eq!(rest.get("item").unwrap().text().unwrap(), "3");
        assert_eq!(rest.get("list").unwrap().children.len(), 1);
    }

    #[test]
    fn elements_become_members() {
        let tree = read(b"<R><A>1</A><B><C>x</C></B><B><C>y</C></B><D/><E><F/></E></R>").unwrap();
        let wanted = serde_json::json!({ "A": "1", "B": [{ "C": "x" }, { "C": "y" }], "E": {} });
        assert_eq!(tree.json(), Some(wanted));
    }

    #[test]
    fn what_is_no_xml_is_refused() {
        for bad in ["", "<a><b></a>", "<a>", "<a>&nope;</a>", "text", "<a>\u{0}&#0;</a>"] {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(read(&[0xff, 0xfe]).is_err());
        assert!(read("<a>".repeat(1000).as_bytes()).is_err());
    }
}
