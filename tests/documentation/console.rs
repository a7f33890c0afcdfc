//! Console blocks: a page's commands are typed into one shell, in its own empty folder, and what is printed is compared.
//!
//! What a block can say:
//! - `$ command`, continued by a backslash at the end of the line;
//! - below it what it prints; nothing where the page does not show it. `…` stands for any text, on a line of its own for any lines;
//! - `$ echo $?` below a command, with its number: the command may fail. Every other must end well;
//! - `export NAME=…`: keys are given from outside;
//! - `funchost serve`: goes on until the page ends, and must then end well.

#![allow(clippy::print_stderr, reason = "what a page shows, for whoever writes it")]

use super::page::{Block, Page};
use crate::support::World;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Stands between what commands print.
const MARK: char = '\u{1e}';

/// A command of a block.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) command: String,
    /// None where the page shows nothing.
    pub(crate) shown: Option<String>,
    pub(crate) place: String,
}

/// The commands of a block.
pub(crate) fn steps(page: &Page, block: &Block) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut goes_on = false;
    for (index, line) in block.text.lines().enumerate() {
        let place = format!("{}:{}", page.name, block.line + 1 + index);
        if goes_on {
            let last = steps.last_mut().expect("a command that goes on");
            last.command.push('\n');
            last.command.push_str(line);
            goes_on = line.ends_with('\\');
        } else if let Some(command) = line.strip_prefix("$ ") {
            goes_on = command.ends_with('\\');
            steps.push(Step { command: command.to_owned(), shown: None, place });
        } else {
            let last =
                steps.last_mut().unwrap_or_else(|| panic!("{place}: what is printed before any command?"));
            let shown = last.shown.get_or_insert_default();
            shown.push_str(line);
            shown.push('\n');
        }
    }
    steps
}

/// A command without its comment.
pub(crate) fn bare(command: &str) -> &str {
    command.split_once("  #").map_or(command, |(command, _)| command).trim_end()
}

fn is_key(command: &str) -> bool {
    command.starts_with("export ") && bare(command).split(' ').skip(1).all(|word| word.ends_with("=…"))
}

/// Does a text look as the page shows it?
pub(crate) fn looks_like(shown: &str, printed: &str) -> bool {
    fn line(shown: &str, printed: &str) -> bool {
        let mut parts = shown.split('…');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = printed.strip_prefix(first) else { return false };
        let parts: Vec<&str> = parts.collect();
        let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
        for part in middle {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
    fn lines(shown: &[&str], printed: &[&str]) -> bool {
        match shown.split_first() {
            None => printed.is_empty(),
            Some((&"…", rest)) => (0..=printed.len()).any(|count| lines(rest, &printed[count..])),
            Some((first, rest)) => match printed.split_first() {
                Some((next, after)) => line(first, next) && lines(rest, after),
                None => false,
            },
        }
    }
    // Blanks at the ends of lines are not seen.
    let plain = |text: &str| -> Vec<String> {
        text.trim_end().lines().map(|line| line.trim_end().to_owned()).collect()
    };
    let (shown, printed) = (plain(shown), plain(printed));
    lines(
        &shown.iter().map(String::as_str).collect::<Vec<_>>(),
        &printed.iter().map(String::as_str).collect::<Vec<_>>(),
    )
}

/// The service that a page starts.
struct Service {
    child: Child,
    log: std::sync::mpsc::Receiver<String>,
}

impl Service {
    fn start(command: &mut Command) -> Self {
        let mut child =
            command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("the service starts");
        let stderr = child.stderr.take().expect("a pipe");
        let (send, log) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        let service = Self { child, log };
        let mut said = String::new();
        let until = Instant::now() + Duration::from_secs(60);
        while !said.contains(" started ") {
            let left = until.saturating_duration_since(Instant::now());
            let line = service.log.recv_timeout(left).unwrap_or_else(|error| panic!("{error}: {said}"));
            let _ = writeln!(said, "{line}");
        }
        service
    }

    fn end(mut self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill can be run");
        assert!(sent.success());
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "{status}: {}", self.log.try_iter().collect::<Vec<_>>().join("\n"));
    }
}

/// Runs a page's blocks from their first command to their last.
pub(crate) fn run(page: &Page, world: &World) {
    let steps: Vec<Step> = page
        .blocks_of("console")
        .filter(|block| !block.ignored)
        .flat_map(|block| self::steps(page, block))
        .filter(|step| !is_key(&step.command))
        .collect();
    if steps.is_empty() {
        return;
    }
    let work = world.folder.path().join("work");
    std::fs::create_dir_all(&work).expect("a folder");
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address").port()
    };
    let prepare = |command: &mut Command| {
        let bin = world.folder.path().join("bin");
        std::fs::create_dir_all(&bin).expect("a folder");
        let link = bin.join("funchost");
        if !link.exists() {
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_funchost"), &link).expect("a link");
        }
        let path = std::env::var("PATH").unwrap_or_default();
        let clouds = &world.clouds;
        command
            .current_dir(&work)
            .env_clear()
            .envs(&world.variables)
            .env("HOME", world.folder.path().join("home"))
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("FUNCHOST_DATAKITS__DATAKIT__URL", clouds.datakit_url())
            .env("FUNCHOST_ENDPOINTS__AWS", clouds.aws_url())
            .env("FUNCHOST_ENDPOINTS__ALIYUN", clouds.aliyun_url())
            .env("FUNCHOST_ENDPOINTS__TENCENTCLOUD", clouds.tencent_url())
            .env("FUNCHOST_SERVICE__LISTEN", format!("127.0.0.1:{port}"));
    };
    let mut shell = Command::new("bash");
    prepare(&mut shell);
    // Both streams into one pipe: as a terminal shows them.
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let second = writer.try_clone().expect("a pipe");
    let mut shell = shell.stdin(Stdio::piped()).stdout(writer).stderr(second).spawn().expect("bash is there");
    let mut input = shell.stdin.take().expect("a pipe");
    let mut service: Option<Service> = None;
    for (index, step) in steps.iter().enumerate() {
        let command = step.command.replace("127.0.0.1:8088", &format!("127.0.0.1:{port}"));
        if bare(&command) == "funchost serve" {
            // What was exported so far holds for it too.
            let environment = ask(&mut input, &mut reader, "env -0 | base64 -w 0").1;
            let mut serve = Command::new(env!("CARGO_BIN_EXE_funchost"));
            prepare(&mut serve);
            let folder = ask(&mut input, &mut reader, "pwd").1;
            serve.current_dir(folder.trim_end());
            serve.arg("serve").env_clear().envs(variables(&environment));
            service = Some(Service::start(&mut serve));
            continue;
        }
        let (code, printed) = ask(&mut input, &mut reader, &command);
        if std::env::var_os("SHOW_PAGES").is_some() {
            // For whoever writes a page: `SHOW_PAGES=1 … -- --nocapture`.
            eprintln!("{}\n$ {command}\n{printed}", step.place);
        }
        let told = steps.get(index + 1).is_some_and(|next| bare(&next.command) == "echo $?");
        assert!(code == 0 || told, "{}: `{command}` ended with {code}:\n{printed}", step.place);
        if let Some(shown) = &step.shown {
            let shown = shown.replace("127.0.0.1:8088", &format!("127.0.0.1:{port}"));
            assert!(
                looks_like(&shown, &printed),
                "{}: `{command}` prints something else. The page shows:\n{shown}\nprinted was:\n{printed}",
                step.place
            );
        }
    }
    drop(input);
    assert!(shell.wait().expect("bash ends").code().is_some());
    if let Some(service) = service {
        service.end();
    }
}

/// Types a command; answers with its exit code and what it printed.
fn ask(input: &mut impl std::io::Write, reader: &mut std::io::PipeReader, command: &str) -> (i32, String) {
    // `$?` of the command stays what it was for the next one.
    let typed = format!("{command}\n__code=$?; printf '{MARK}%s{MARK}' $__code; (exit $__code)\n");
    input.write_all(typed.as_bytes()).and_then(|()| input.flush()).expect("bash reads");
    let (mut printed, mut marks, mut byte) = (Vec::new(), 0, [0_u8]);
    while marks < 2 {
        assert_eq!(reader.read(&mut byte).expect("bash writes"), 1, "bash ended at `{command}`");
        marks += usize::from(byte[0] == MARK as u8);
        printed.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&printed).into_owned();
    let mut parts = text.split(MARK);
    let said = parts.next().unwrap_or_default().to_owned();
    (parts.next().and_then(|code| code.parse().ok()).unwrap_or(-1), said)
}

fn variables(encoded: &str) -> Vec<(String, String)> {
    // `env -0` in base64, so that no line break is lost on the way; decoded by the same tool.
    let mut child = Command::new("base64")
        .arg("-d")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("base64 is there");
    child.stdin.take().expect("a pipe").write_all(encoded.as_bytes()).expect("base64 reads");
    let bytes = child.wait_with_output().expect("base64 ends").stdout;
    String::from_utf8_lossy(&bytes)
        .split('\0')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
