//! Habits from Python: what was meant by what Rhai cannot parse.
//!
//! Owns the hints for syntax errors. Looks at tokens only, near the place where the parser gave up. A text of the script is
//! never repeated in a message: it may be a secret.

use super::dialect::SEPARATOR;
use super::lexer::{Kind, Token, lex};
use rhai::{LexError, ParseErrorType};

/// A syntax error in our words.
pub(super) struct Explained {
    pub(super) message: String,
    pub(super) label: String,
    pub(super) hint: Option<String>,
    /// Line and column where another place than the parser's is to be shown.
    pub(super) place: Option<(usize, usize)>,
}

fn explained(message: impl Into<String>, label: &str, hint: impl Into<String>) -> Explained {
    Explained { message: message.into(), label: label.into(), hint: Some(hint.into()), place: None }
}

/// Explains a syntax error at a line and column.
pub(super) fn explain(source: &str, error: &ParseErrorType, line: usize, column: usize) -> Explained {
    let tokens = lex(source);
    // The token where the parser gave up, and the two lines that can have made it.
    let here = tokens
        .iter()
        .position(|token| (token.line, token.column) >= (line, column))
        .filter(|at| (tokens[*at].line, tokens[*at].column) == (line, column));
    let at = here.unwrap_or_else(|| {
        tokens.iter().rposition(|token| (token.line, token.column) <= (line, column)).unwrap_or(0)
    });
    let view = View { source, tokens: &tokens, at, line };
    // Before all else: nothing that comes from it can be understood.
    if let Some(found) = view.unseen().or_else(|| view.full_width()) {
        return found;
    }
    if let ParseErrorType::BadInput(LexError::ImproperSymbol(_, text)) = error
        && let Some((message, hint)) = text.split_once(SEPARATOR)
    {
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        return Explained { message: message.into(), label: String::new(), hint, place: None };
    }
    view.habit().unwrap_or_else(|| view.plain(error))
}

/// The tokens around an error.
struct View<'t> {
    source: &'t str,
    tokens: &'t [Token],
    at: usize,
    /// Where the parser gave up.
    line: usize,
}

impl View<'_> {
    fn text(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| token.text(self.source))
    }

    fn is_word(&self, at: usize) -> bool {
        self.tokens.get(at).is_some_and(|token| token.kind == Kind::Word)
    }

    fn is_text(&self, at: usize) -> bool {
        self.tokens.get(at).is_some_and(|token| matches!(token.kind, Kind::Text { .. }))
    }

    fn begins_line(&self, at: usize) -> bool {
        at == 0 || self.tokens[at - 1].line < self.tokens[at].line
    }

    /// The tokens of the error's line and of the line of the token before it.
    fn nearby(&self) -> Vec<usize> {
        let Some(error) = self.tokens.get(self.at) else { return Vec::new() };
        let before = self.at.checked_sub(1).map_or(error.line, |at| self.tokens[at].line);
        (0..self.tokens.len()).filter(|at| [before, error.line].contains(&self.tokens[*at].line)).collect()
    }

    fn at_token(&self, at: usize, explained: Explained) -> Explained {
        let place = self.tokens.get(at).map(|token| (token.line, token.column));
        Explained { place, ..explained }
    }

    /// The first blank of another kind outside of texts and comments: nobody sees it.
    fn unseen(&self) -> Option<Explained> {
        let (mut line, mut column) = (1, 0);
        for (at, character) in self.source.char_indices() {
            column += 1;
            if character == '\n' {
                (line, column) = (line + 1, 0);
            }
            if line > self.line {
                return None;
            }
            let Some((name, hint)) = unseen(character).filter(|_| line == self.line) else { continue };
            let hidden = self.tokens.iter().any(|token| {
                matches!(token.kind, Kind::Text { .. } | Kind::Comment) && token.range.contains(&at)
            });
            if !hidden {
                let found = explained(format!("{name} stands here"), "", hint);
                return Some(Explained { place: Some((line, column)), ..found });
            }
        }
        None
    }

    /// The first character of Chinese punctuation outside of texts and comments, and where it stands.
    fn full_width(&self) -> Option<Explained> {
        let found = |character: char, plain: &str, line: usize, column: usize| {
            let more = if plain == "\"" {
                ": texts stand in double quotes"
            } else {
                "; it belongs into texts and comments only"
            };
            let message = format!("`{character}` is a full-width character");
            let found = explained(message, "", format!("write `{plain}`{more}"));
            Explained { place: Some((line, column)), ..found }
        };
        self.nearby().into_iter().find_map(|at| {
            let token = &self.tokens[at];
            match token.kind {
                Kind::Symbol => {
                    let character = self.text(at).chars().next()?;
                    Some(found(character, &half_width(character)?, token.line, token.column))
                }
                // A text that was to end with a quote of another kind.
                Kind::Text { quote: '"', closed: false } => {
                    let (offset, character) = self
                        .text(at)
                        .chars()
                        .enumerate()
                        .filter(|(_, character)| matches!(character, '“' | '”' | '＂'))
                        // Those before it belong to the text.
                        .last()?;
                    Some(found(character, "\"", token.line, token.column + offset))
                }
                _ => None,
            }
        })
    }

    /// The first habit on the lines around the error.
    fn habit(&self) -> Option<Explained> {
        self.nearby().into_iter().find_map(|at| self.habit_at(at).map(|found| self.at_token(at, found)))
    }

    fn habit_at(&self, at: usize) -> Option<Explained> {
        let token = &self.tokens[at];
        let text = self.text(at);
        let next = self.text(at + 1);
        match token.kind {
            Kind::Comment if text.starts_with('#') => {
                return Some(explained("`#` does not begin a comment", "", "comments begin with `//`"));
            }
            Kind::Text { quote: '\'', closed } if !closed || text.chars().count() != 3 => {
                return Some(explained(
                    "a text stands in single quotes",
                    "",
                    "texts stand in double quotes: \"…\"",
                ));
            }
            Kind::Word => {}
            Kind::Symbol
                if text == "{"
                    && (self.is_word(at + 1) || self.is_text(at + 1))
                    && self.text(at + 2) == ":" =>
            {
                return Some(explained("a map begins with `#{`", "", "write `#{ key: value }`"));
            }
            Kind::Symbol if text == ":" && self.is_slice(at) => {
                return Some(explained(
                    "a part is not taken by `[a:b]`",
                    "",
                    "write `list.extract(a..b)`, and `text.sub_string(a..b)` for a text",
                ));
            }
            Kind::Symbol
                if text == ":"
                    && self.opens_block(at)
                    && (self.ends_line(at) || self.open_brackets(at) == 0) =>
            {
                let form = match self.first_of_line(at) {
                    "fn" => "write `fn name() { … }`",
                    _ => "write `if x { … }`, `for x in xs { … }`",
                };
                return Some(explained("a block stands in braces, not behind a `:`", "", form));
            }
            Kind::Symbol
                if matches!(text, "+" | "-")
                    && next == text
                    && self.tokens[at].range.end == self.tokens[at + 1].range.start
                    && at > 0
                    && self.is_word(at - 1) =>
            {
                let name = self.text(at - 1);
                return Some(explained(
                    format!("there is no `{text}{text}`"),
                    "",
                    format!("write `{name} {text}= 1;`"),
                ));
            }
            Kind::Symbol
                if text == "=>"
                    && at == self.at
                    && at > 0
                    && (self.text(at - 1) == ")" || self.is_word(at - 1)) =>
            {
                return Some(explained("a closure has no `=>`", "", "write `|x| x > 1`"));
            }
            Kind::Symbol if text == "=" && at == self.at && self.is_named_argument(at) => {
                let name = self.text(at - 1);
                return Some(explained(
                    format!("`{name} = …` cannot be an argument here"),
                    "",
                    "arguments have no names: only `Runner(…)` and `@DFF.API(…)` take `name = value`; other functions take a map, `#{ name: value }`",
                ));
            }
            _ => return None,
        }
        let first = self.begins_line(at);
        Some(match text {
            "from" if first && self.is_word(at + 1) && self.text(at + 2) == "import" => {
                let alias = alias(next);
                explained(
                    "an import is written the other way round",
                    "",
                    format!("write `import \"{next}\" as {alias};`"),
                )
            }
            "import" if first && self.is_word(at + 1) && of_python(next).is_some() => explained(
                format!("there is no module `{next}` here"),
                "",
                of_python(next).unwrap_or_default(),
            ),
            "for" if !first && self.comprehends(at) => explained(
                "a list cannot be written with a `for` inside",
                "",
                "write `xs.map(|x| x * 2)` for another value of each item, and `xs.filter(|x| x > 1)` to choose some",
            ),
            "for" if first && self.text(at + 2) == "," && self.text(at + 4) == "in" => explained(
                "two names of a `for` stand in parentheses",
                "",
                format!(
                    "write `for ({next}, index) in list {{ … }}` for a list, where the second is the index, and for a map `for key in map.keys() {{ let value = map[key]; … }}`"
                ),
            ),
            "if" if !first && self.chooses(at) => explained(
                "`if` does not stand behind its value",
                "",
                "write `if c { x } else { y }`, which is a value too: `let a = if c { x } else { y };`",
            ),
            "import" if first && self.is_word(at + 1) => {
                let alias =
                    if self.text(at + 2) == "as" { self.text(at + 3).to_owned() } else { alias(next) };
                explained(
                    "the script of an import stands in quotes",
                    "",
                    format!("write `import \"{next}\" as {alias};`"),
                )
            }
            "def" if self.is_word(at + 1) => {
                explained("a function begins with `fn`", "", format!("write `fn {next}() {{ … }}`"))
            }
            "elif" => explained("`elif` is written `else if`", "", "write `else if x { … }`"),
            "lambda" => explained("a closure has no `lambda`", "", "write `|x| x > 1`"),
            "pass" if first => explained("`pass` is not needed", "", "an empty block is `{ }`"),
            "except" if first || self.text(at.wrapping_sub(1)) == "}" => {
                explained("`except` is written `catch`", "", "write `try { … } catch (error) { … }`")
            }
            "class" if first => {
                explained("there are no classes", "", "keep data in maps `#{ … }` and write functions")
            }
            "and" if self.is_operator(at) => explained("`and` is written `&&`", "", "write `a && b`"),
            "or" if self.is_operator(at) => explained("`or` is written `||`", "", "write `a || b`"),
            "not" if next != "=" && next != ":" => {
                explained("`not` is written `!`", "", "write `!a`, and `!(a in b)`")
            }
            "f" if self.is_text(at + 1) && self.tokens[at].range.end == self.tokens[at + 1].range.start => {
                explained(
                    "a text with values stands in backticks",
                    "",
                    "write `…${value}…` between backticks",
                )
            }
            "None" | "null" | "nil" => explained(format!("`{text}` is written `()`"), "", "write `()`"),
            "print" | "debug" if first && self.is_value(at + 1) => explained(
                format!("`{text}` is a function, and is called with parentheses"),
                "",
                format!("write `{text}(…)`"),
            ),
            "var" if first => explained("a variable begins with `let`", "", "write `let name = …;`"),
            _ => return None,
        })
    }

    /// Between two values.
    fn is_operator(&self, at: usize) -> bool {
        let after_value = at > 0
            && (self.is_word(at - 1) || self.is_text(at - 1) || matches!(self.text(at - 1), ")" | "]" | "}"));
        let next = self.text(at + 1);
        after_value
            && (self.is_word(at + 1) || self.is_text(at + 1) || matches!(next, "(" | "!" | "[" | "#{"))
    }

    /// A text, a name or a number.
    fn is_value(&self, at: usize) -> bool {
        self.tokens.get(at).is_some_and(|token| match token.kind {
            Kind::Text { .. } => true,
            Kind::Word => !matches!(self.text(at), "as" | "in"),
            _ => false,
        })
    }

    /// `x[a:b]`: between the brackets behind a value.
    fn is_slice(&self, at: usize) -> bool {
        let line = self.tokens[at].line;
        let mut depth = 0_usize;
        for before in (0..at).rev().take_while(|before| self.tokens[*before].line == line) {
            match self.text(before) {
                ")" | "]" | "}" => depth += 1,
                "(" | "{" | "#{" if depth == 0 => return false,
                "[" if depth == 0 => {
                    return before > 0
                        && ((self.is_word(before - 1) && !KEYWORDS.contains(&self.text(before - 1)))
                            || self.is_text(before - 1)
                            || matches!(self.text(before - 1), ")" | "]"));
                }
                "(" | "{" | "#{" | "[" => depth -= 1,
                _ => {}
            }
        }
        false
    }

    /// `x if c else y`: behind a value, with an `else` on its line and no block before that.
    fn chooses(&self, at: usize) -> bool {
        let before = at - 1;
        let behind_value = (self.is_word(before) && !KEYWORDS.contains(&self.text(before)))
            || self.is_text(before)
            || matches!(self.text(before), ")" | "]");
        let line = self.tokens[at].line;
        let mut rest = (at + 1..self.tokens.len()).take_while(|at| self.tokens[*at].line == line);
        behind_value
            && rest
                .find(|at| matches!(self.text(*at), "else" | "{"))
                .is_some_and(|at| self.text(at) == "else")
    }

    /// `[x * 2 for`: inside of a bracket, behind a value.
    fn comprehends(&self, at: usize) -> bool {
        let behind_value =
            self.is_word(at - 1) || self.is_text(at - 1) || matches!(self.text(at - 1), ")" | "]" | "}");
        behind_value && self.is_word(at + 1) && self.open_brackets(at) > 0
    }

    /// How many brackets are open at a token, of those that its line opened.
    fn open_brackets(&self, at: usize) -> usize {
        let line = self.tokens[at].line;
        let before = (0..at).filter(|before| self.tokens[*before].line == line);
        before.fold(0, |open: usize, before| match self.text(before) {
            "(" | "[" | "{" | "#{" => open + 1,
            ")" | "]" | "}" => open.saturating_sub(1),
            _ => open,
        })
    }

    fn ends_line(&self, at: usize) -> bool {
        self.tokens.get(at + 1).is_none_or(|next| next.line > self.tokens[at].line)
    }

    fn first_of_line(&self, at: usize) -> &str {
        let line = self.tokens[at].line;
        self.text(self.tokens.iter().position(|token| token.line == line).unwrap_or(at))
    }

    /// Does the line begin with a word that Python follows with a block.
    fn opens_block(&self, at: usize) -> bool {
        matches!(self.first_of_line(at), "if" | "else" | "for" | "while" | "try" | "with" | "fn")
    }

    /// `f(name =` or `f(1, name =`.
    fn is_named_argument(&self, at: usize) -> bool {
        at >= 2 && self.is_word(at - 1) && matches!(self.text(at - 2), "(" | ",")
    }

    /// What is no habit.
    fn plain(&self, error: &ParseErrorType) -> Explained {
        if let ParseErrorType::MissingToken(token, _) = error
            && token == ";"
            && let Some(before) = self.at.checked_sub(1)
        {
            return self.missing_semicolon(before);
        }
        if let ParseErrorType::UnknownOperator(operator) = error
            && operator == "@"
            && let Some(before) = self.at.checked_sub(1)
        {
            let first = self.tokens.iter().find(|token| token.line == self.tokens[before].line);
            return if first.is_some_and(|token| token.text(self.source) == "@") {
                explained("two decorators stand above one function", "", "a function is registered once")
            } else {
                self.missing_semicolon(before)
            };
        }
        if let ParseErrorType::BadInput(LexError::ImproperSymbol(symbol, _)) = error
            && symbol == "="
        {
            return explained("`=` gives a value, and compares nothing", "", "write `==` to compare");
        }
        let hint = match error {
            ParseErrorType::WrongDocComment => {
                Some("`///` describes the function below it, and stands directly above its `fn`; other comments begin with `//`".into())
            }
            ParseErrorType::Reserved(word) if ["print", "debug"].contains(&word.as_str()) => {
                Some(format!("it is a function: write `{word}(…)`"))
            }
            ParseErrorType::Reserved(word) if self.is_name(word) => {
                Some(format!("choose another name: `{word}` belongs to the language"))
            }
            ParseErrorType::UnexpectedEOF => {
                Some("something is not closed: a `{`, a `(`, a `[` or a text".into())
            }
            ParseErrorType::DuplicatedProperty(_) => Some("a key stands once in a map".into()),
            ParseErrorType::BadInput(LexError::UnterminatedString) => Some(
                "a text in double quotes ends on its line; one of several lines stands in backticks".into(),
            ),
            ParseErrorType::BadInput(LexError::MalformedEscapeSequence(_)) => {
                Some("write `\\\\` for a backslash".into())
            }
            ParseErrorType::AssignmentToConstant(name) => {
                Some(format!("a constant keeps its value: write `let {name} = …` in place of `const`"))
            }
            ParseErrorType::MissingToken(token, _) => Some(format!("write `{token}` here, or look for what is not finished before it")),
            _ => Some("look at this place and at the line before it: something is missing, or too much".into()),
        };
        let message = match error {
            ParseErrorType::BadInput(LexError::MalformedChar(_)) => "this is no character".into(),
            ParseErrorType::BadInput(LexError::UnterminatedString) => "a text is not closed".into(),
            ParseErrorType::BadInput(LexError::MalformedEscapeSequence(_)) => {
                "this escape is not known".into()
            }
            ParseErrorType::UnexpectedEOF => "the script ends too early".into(),
            ParseErrorType::ExprTooDeep => "expressions are nested too deep".into(),
            ParseErrorType::WrongDocComment => "a `///` comment stands where no function follows".into(),
            other => lower_first(&other.to_string()),
        };
        Explained { message: format!("syntax error: {message}"), label: String::new(), hint, place: None }
    }

    /// Behind the statement that it should end.
    fn missing_semicolon(&self, before: usize) -> Explained {
        let before = (0..=before).rev().find(|at| self.tokens[*at].kind != Kind::Comment).unwrap_or(before);
        let token = &self.tokens[before];
        let lines = token.text(self.source).matches('\n').count();
        let tail = token.text(self.source).rsplit('\n').next().unwrap_or_default().chars().count();
        let place =
            if lines == 0 { (token.line, token.column + tail) } else { (token.line + lines, tail + 1) };
        let found = explained("a `;` is missing", "`;` belongs here", "a statement ends with `;`");
        Explained { place: Some(place), ..found }
    }

    fn is_name(&self, word: &str) -> bool {
        word.chars().all(|character| character.is_alphanumeric() || character == '_')
    }
}

fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

/// A short name for a package: `guance_aws_ec2__main` is `aws_ec2`.
pub(super) fn alias(id: &str) -> String {
    match id.split_once("__") {
        Some((_, "runner")) => "integration".into(),
        Some((set, "main")) => set.trim_start_matches("guance_").trim_start_matches("integration_").into(),
        Some((_, script)) => script.into(),
        None => id.into(),
    }
}

/// Words behind which a value begins.
const KEYWORDS: &[&str] = &["else", "return", "in", "throw", "let", "const", "while", "if", "do", "until"];

/// A character that nobody sees, and what to do with it.
fn unseen(character: char) -> Option<(&'static str, &'static str)> {
    const BLANK: &str = "write a blank";
    Some(match character {
        '\u{3000}' => ("a full-width blank", BLANK),
        '\u{A0}' | '\u{202F}' => ("a no-break blank", BLANK),
        '\u{2000}'..='\u{200A}' | '\u{205F}' => ("a blank of another width", BLANK),
        '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}' => {
            ("a character without a width", "it cannot be seen: delete it, or write the line again")
        }
        _ => return None,
    })
}

/// What Chinese input methods write where a script wants another character.
fn half_width(character: char) -> Option<String> {
    Some(match character {
        '“' | '”' | '„' | '‘' | '’' | '＇' | '＂' | '「' | '」' | '『' | '』' => {
            "\"".to_owned()
        }
        '。' => ".".to_owned(),
        '、' => ",".to_owned(),
        '【' => "[".to_owned(),
        '】' => "]".to_owned(),
        '《' => "<".to_owned(),
        '》' => ">".to_owned(),
        '—' | '–' => "-".to_owned(),
        '…' => "..".to_owned(),
        // The block of full-width forms repeats ASCII.
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(character) - 0xFEE0)?.to_string(),
        _ => return None,
    })
}

/// What stands for a module of Python's library; none for what may be a script's id.
pub(super) fn of_python(module: &str) -> Option<&'static str> {
    Some(match module {
        "time" => {
            "`sleep(seconds)` waits, and `DFF.TOOLKIT.now_ms()` is the time; nothing is imported for them"
        }
        "datetime" => {
            "`DFF.TOOLKIT.now_ms()` is the time, `DFF.TOOLKIT.iso8601(milliseconds)` writes one and `DFF.TOOLKIT.parse_time(text)` reads one"
        }
        "json" => "write `value.to_json()` and `parse_json(text)`; nothing is imported for them",
        "re" | "fnmatch" => "`DFF.TOOLKIT.match_wildcard(text, \"*pattern*\")` compares texts with patterns",
        "os" => "`DFF.ENV(\"NAME\")` reads a variable of the environment",
        "logging" => "write `DFF.LOG(\"text\")` or `DFF.LOG(\"warning\", \"text\")`",
        "math" => {
            "numbers have `.abs()`, `.floor()`, `.ceiling()`, `.round()`, `.sqrt()`; nothing is imported for them"
        }
        "requests" | "boto3" | "urllib" => {
            "clouds are called by a client: import \"guance_integration__aws\" as aws; then `aws::client(ctx.account).request(service, action, parameters)` in a `Collector`"
        }
        "sys" | "random" | "copy" | "collections" | "itertools" | "functools" | "typing" => {
            "scripts have no library of Python's; what they can do without an import is in docs/from-dataflux-func.md"
        }
        _ => return None,
    })
}
