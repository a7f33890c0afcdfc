//! Which objects a namespace's metrics belong to: rows of data, and how one is found.
//!
//! Owns the shape of a row. Which rows there are, each cloud knows.

use crate::collector::Link;
use crate::point::Text;

/// One namespace's way to one class. A namespace whose metrics belong to several classes has several rows, told apart by the value.
#[derive(Debug)]
pub(crate) struct Row {
    /// As the cloud spells it.
    pub(crate) namespace: &'static str,
    /// The metric's dimension.
    pub(crate) dimension: &'static str,
    /// The class of the objects.
    pub(crate) class: &'static str,
    /// The object's tag that is equal: mostly `name`.
    pub(crate) tag: &'static str,
    /// What the value begins with; an empty text is any.
    pub(crate) begins: &'static str,
    /// Where the metric has this dimension too, it must have this value: another one makes the object another.
    pub(crate) besides: Option<(&'static str, &'static str)>,
}

/// Objects that are found by their name.
pub(crate) const fn row(namespace: &'static str, dimension: &'static str, class: &'static str) -> Row {
    Row { namespace, dimension, class, tag: "name", begins: "", besides: None }
}

/// The object of a metric, by its dimensions.
pub(crate) fn find<'value>(
    rows: &'static [Row],
    namespace: &str,
    dimension: impl Fn(&str) -> Option<&'value str>,
) -> Option<Link> {
    let fits = |row: &&Row| {
        row.namespace == namespace
            && row.besides.is_none_or(|(name, wanted)| dimension(name).is_none_or(|value| value == wanted))
    };
    rows.iter().filter(fits).find_map(|row| {
        let value = dimension(row.dimension).filter(|value| value.starts_with(row.begins))?;
        Some(Link { class: row.class.into(), tag: row.tag.into(), value: value.into(), with_name: false })
    })
}

/// The classes that these namespaces' metrics may belong to, each once.
pub(crate) fn classes<'name>(
    rows: &'static [Row],
    namespaces: impl Iterator<Item = &'name str>,
) -> Vec<Text> {
    let mut classes: Vec<&str> = namespaces
        .flat_map(|namespace| rows.iter().filter(move |row| row.namespace == namespace).map(|row| row.class))
        .collect();
    classes.sort_unstable();
    classes.dedup();
    classes.into_iter().map(Text::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    static ROWS: &[Row] = &[
        row("N", "id", "one"),
        Row { begins: "pxc-", tag: "DBInstanceName", ..row("X", "id", "two") },
        Row { begins: "drds", ..row("X", "id", "three") },
        Row { besides: Some(("bus", "default")), ..row("B", "rule", "four") },
    ];

    #[test]
    fn the_value_tells_the_class() {
        let of = |namespace: &str, value: &'static str| {
            find(ROWS, namespace, |name| (name == "id").then_some(value))
                .map(|link| (link.class.to_string(), link.tag.to_string(), link.value.to_string()))
        };
        let some = |class: &str, tag: &str, value: &str| Some((class.into(), tag.into(), value.into()));
        assert_eq!(of("N", "a"), some("one", "name", "a"));
        assert_eq!(of("X", "pxc-a"), some("two", "DBInstanceName", "pxc-a"));
        assert_eq!(of("X", "drdsa"), some("three", "name", "drdsa"));
        assert_eq!(of("X", "a"), None);
        assert_eq!(of("M", "a"), None);
        assert!(find(ROWS, "N", |_| None).is_none());
    }

    #[test]
    fn a_dimension_beside_it_keeps_another_apart() {
        let of = |bus: Option<&'static str>| {
            find(ROWS, "B", |name| if name == "rule" { Some("a") } else { bus.filter(|_| name == "bus") })
                .is_some()
        };
        assert_eq!([None, Some("default"), Some("mine")].map(of), [true, true, false]);
    }

    /// A row names a class that some collector reports, and a tag that it has.
    #[test]
    fn no_row_hangs_in_the_air() {
        let tags = |class: &str| -> Vec<&str> {
            let declared = crate::COLLECTORS.iter().filter(|collector| collector.classes().contains(&class));
            declared.flat_map(|collector| collector.description().tags.iter().map(|tag| tag.key)).collect()
        };
        let rows = crate::aliyun::monitor::LINKS.iter().chain(crate::aws::cloudwatch::LINKS);
        let mut seen = 0;
        for row in rows {
            assert!(
                tags(row.class).contains(&row.tag),
                "{}: {} has no {}",
                row.namespace,
                row.class,
                row.tag
            );
            seen += 1;
        }
        assert!(seen > 30, "{seen}");
        for (class, tag) in crate::tencentcloud::monitor::sources() {
            assert!(tags(class).contains(&tag), "{class} has no {tag}");
        }
    }

    #[test]
    fn classes_stand_once() {
        let all = classes(ROWS, ["X", "N", "X", "M"].into_iter());
        assert_eq!(all.iter().map(|class| &**class).collect::<Vec<_>>(), ["one", "three", "two"]);
    }
}
