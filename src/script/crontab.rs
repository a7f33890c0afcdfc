//! Crontabs as far as a script's author can get them wrong: five fields, each in its range.
//!
//! Owns the check only; when a crontab fires is the scheduler's to say.

/// Each field's name, its range, and the names that stand for numbers.
const FIELDS: [(&str, u32, u32, &[&str]); 5] = [
    ("minute", 0, 59, &[]),
    ("hour", 0, 23, &[]),
    ("day of the month", 1, 31, &[]),
    ("month", 1, 12, &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]),
    ("day of the week", 0, 7, &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]),
];

/// Checks a crontab.
///
/// # Errors
/// A message that follows the option's name, and a hint.
pub(crate) fn check(text: &str) -> Result<(), (String, String)> {
    const HINT: &str =
        "five fields: minute, hour, day of the month, month, day of the week, such as \"*/15 * * * *\"";
    let fields: Vec<&str> = text.split_whitespace().collect();
    match fields.len() {
        5 => {}
        6 => {
            return Err((
                "has 6 fields: the original took the first for seconds, and such a function never ran unless they were 0".into(),
                format!("leave the seconds out: {HINT}"),
            ));
        }
        0 => return Err(("is empty".into(), HINT.into())),
        few @ 1..5 => {
            let padded = fields.iter().copied().chain(std::iter::repeat_n("*", 5 - few)).collect::<Vec<_>>();
            return Err((
                format!(
                    "has {few} field{}: the original silently read it as `{}`",
                    if few == 1 { "" } else { "s" },
                    padded.join(" ")
                ),
                HINT.into(),
            ));
        }
        many => return Err((format!("has {many} fields"), HINT.into())),
    }
    for (field, (name, least, most, names)) in fields.iter().zip(FIELDS) {
        for part in field.split(',') {
            if !is_part(part, least, most, names) {
                return Err((
                    format!("has the {name} `{field}`, expected {least} to {most}"),
                    "a field is `*`, a number, a range `1-5`, a list `1,15`, or a step `*/15`".into(),
                ));
            }
        }
    }
    Ok(())
}

fn is_part(part: &str, least: u32, most: u32, names: &[&str]) -> bool {
    let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
    if let Some(step) = step
        && !step.parse::<u32>().is_ok_and(|step| (1..=most).contains(&step))
    {
        return false;
    }
    if range == "*" {
        return true;
    }
    let number = |text: &str| {
        let named = names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let named = named.and_then(|at| u32::try_from(at).ok()).map(|at| at + least);
        named.or_else(|| text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit())))
    };
    let fits = |value: u32| (least..=most).contains(&value);
    match range.split_once('-') {
        Some((from, to)) => match (number(from), number(to)) {
            (Some(from), Some(to)) => fits(from) && fits(to) && from <= to,
            _ => false,
        },
        None => number(range).is_some_and(fits),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn five_fields_in_their_ranges_are_right() {
        for right in [
            "* * * * *",
            "*/15 * * * *",
            "0 8-18 * * MON-FRI",
            "0,30 0 1 JAN,jul 7",
            "5  4 * * *",
            "0-59/5 * * * 0",
        ] {
            assert_eq!(check(right), Ok(()), "{right}");
        }
    }

    #[test]
    fn the_rest_is_refused_with_what_the_original_made_of_it() {
        let message = |text: &str| check(text).unwrap_err().0;
        assert_eq!(message("5"), "has 1 field: the original silently read it as `5 * * * *`");
        assert_eq!(message("0 8 *"), "has 3 fields: the original silently read it as `0 8 * * *`");
        assert!(
            message("0 */5 * * * *").starts_with("has 6 fields: the original took the first for seconds")
        );
        assert_eq!(message("60 * * * *"), "has the minute `60`, expected 0 to 59");
        assert_eq!(message("0 22-2 * * *"), "has the hour `22-2`, expected 0 to 23");
        assert_eq!(message("*/0 * * * *"), "has the minute `*/0`, expected 0 to 59");
        assert_eq!(message("0 0 ? * *"), "has the day of the month `?`, expected 1 to 31");
        for wrong in
            ["", "@daily", "a b c d e", "1- * * * *", "-1 * * * *", "+1 * * * *", "* * * * 8", "1,,2 * * * *"]
        {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }
}
