//! A PostgreSQL server of a test's own: Debian's package, in a temporary folder, on a loopback port, as a user that is not root.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Ends with this value, and with the test's process at the latest.
pub(crate) struct Server {
    /// Keeps the server alive: it stops when its end of the pipe is closed.
    keeper: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

/// Where Debian puts the programs, newest version first; else wherever they are found.
fn program(name: &str) -> PathBuf {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    versions.sort();
    versions
        .into_iter()
        .rev()
        .map(|version| version.join("bin").join(name))
        .find(|path| path.exists())
        .unwrap_or_else(|| PathBuf::from(name))
}

fn number(arguments: &[&str]) -> u32 {
    let output = Command::new("id").args(arguments).output().expect("`id` runs");
    String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or_else(|_| panic!("{output:?}"))
}

/// The server refuses to run as root: Debian's package brings a user for it.
fn unprivileged(command: &mut Command, folder: &Path) {
    use std::os::unix::process::CommandExt;
    if number(&["-u"]) == 0 {
        let (user, group) = (number(&["-u", "postgres"]), number(&["-g", "postgres"]));
        std::os::unix::fs::chown(folder, Some(user), Some(group)).expect("root may give a folder away");
        command.uid(user).gid(group);
    }
    command.current_dir(folder);
}

impl Server {
    /// Makes and starts one.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut make = Command::new(program("initdb"));
        make.args(["-D", "data", "-U", "funchost", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
        // Texts do not follow each other as their bytes do, as in most databases that people have.
        make.args(["--locale-provider=icu", "--icu-locale=en-US"]);
        unprivileged(&mut make, folder.path());
        let made = make.output().expect("Debian's package `postgresql` is installed: .ci/run does that");
        assert!(made.status.success(), "{made:?}");
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|found| found.local_addr())
            .expect("a port")
            .port();
        let mut keeper = Command::new("sh");
        keeper
            .args(["-c", "\"$0\" \"$@\" >log 2>&1 & server=$!; read line; kill -INT $server; wait $server; cd / && rm -rf \"$FOLDER\""])
            .env("FOLDER", folder.path())
            .arg(program("postgres"))
            .args(["-D", "data", "-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"])
            // Nobody cuts the power in a test; all else is as it is in service.
            .args(["-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "max_connections=200"])
            // For tests that count what is asked of it.
            .args(["-c", "shared_preload_libraries=pg_stat_statements", "-c", "pg_stat_statements.track_utility=off"])
            .stdin(Stdio::piped());
        unprivileged(&mut keeper, folder.path());
        let server = Self { keeper: keeper.spawn().expect("a shell"), port, _folder: folder };
        let began = std::time::Instant::now();
        while !server.answers() {
            assert!(
                began.elapsed().as_secs() < 60,
                "{}",
                std::fs::read_to_string(server._folder.path().join("log")).unwrap_or_default()
            );
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        server
    }

    fn answers(&self) -> bool {
        let mut ready = Command::new(program("pg_isready"));
        ready.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        ready.status().is_ok_and(|status| status.success())
    }

    /// A URL of a schema of its own, as good as a database of its own.
    pub(crate) fn url(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.sql(&format!("CREATE SCHEMA {name}"));
        format!("postgres://funchost@127.0.0.1:{}/postgres?options=-csearch_path%3D{name}", self.port)
    }

    /// A URL of a database of its own: what is asked of it can be told from what is asked of others.
    #[allow(dead_code, reason = "each program uses its own part of this")]
    pub(crate) fn database(&self, name: &str) -> String {
        self.sql(&format!("CREATE DATABASE {name}"));
        format!("postgres://funchost@127.0.0.1:{}/{name}", self.port)
    }

    /// Runs a statement.
    pub(crate) fn sql(&self, text: &str) -> String {
        let mut psql = Command::new("psql");
        psql.args([
            "-h",
            "127.0.0.1",
            "-p",
            &self.port.to_string(),
            "-U",
            "funchost",
            "-d",
            "postgres",
            "-qAtc",
            text,
        ]);
        let output = psql.output().expect("Debian's package `postgresql` brings psql");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        drop(self.keeper.wait());
    }
}
