//! A PostgreSQL store that cannot be used, or not yet: the program says what to do in one sentence, ends with a code that
//! tells whether starting it again may help, and never shows a password.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use regrow_testbed::postgres::{Client, Database, Server};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::scene::{Output, PROGRAM, run, soon, until};

/// Something must be changed; starting again does not help.
const UNUSABLE: i32 = 78;

/// It may work later.
const UNAVAILABLE: i32 = 1;

/// The password of all that is tried here.
const SECRET: &str = "hush-hush";

/// A database, and a role that only has what it is given.
struct Place {
    database: Database,
    client: Client,
    role: String,
}

impl Place {
    async fn open() -> Self {
        Self::of(Database::create().await.unwrap()).await
    }

    async fn of(database: Database) -> Self {
        let client = database.connect().await.unwrap();
        let role = format!("role_{}", database.name());
        let create = format!("CREATE ROLE {role} LOGIN PASSWORD '{SECRET}'");
        client.batch_execute(&create).await.unwrap();
        Self { database, client, role }
    }

    /// The role's URL of a database.
    fn url(&self, password: &str, database: &str) -> String {
        let server = self.database.server();
        let colon = if password.is_empty() { "" } else { ":" };
        format!("postgres://{}{colon}{password}@{}:{}/{database}", self.role, server.host(), server.port())
    }

    fn own_url(&self) -> String {
        self.url(SECRET, self.database.name())
    }

    async fn may_create(&self) {
        let grant = format!("GRANT CREATE ON DATABASE {} TO {}", self.database.name(), self.role);
        self.client.batch_execute(&grant).await.unwrap();
    }

    async fn close(self) {
        let drop = format!("DROP OWNED BY {0}; DROP ROLE {0}", self.role);
        self.client.batch_execute(&drop).await.unwrap();
    }
}

/// Runs `regrow runs list` on a store.
async fn list(store: &str, more: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["runs", "list", "--store", store, "--state-dir", directory.path().to_str().unwrap()];
    run(arguments.iter().chain(more)).await
}

/// It must end with this code and say this, in one sentence for people.
#[track_caller]
fn says(output: &Output, code: i32, words: &[&str]) {
    assert_eq!(output.code, Some(code), "{output:?}");
    for word in words {
        assert!(output.err.contains(word), "`{word}` is missing in:\n{}", output.err);
    }
    assert!(!output.err.contains(SECRET) && !output.out.contains(SECRET), "{output:?}");
    let lines: Vec<&str> = output.err.lines().collect();
    assert_eq!(lines.len(), 1, "more than a sentence:\n{}", output.err);
    for foreign in ["panicked", "stack", "Error {", "kind:", "Some("] {
        assert!(!output.err.contains(foreign), "`{foreign}` is not for people:\n{}", output.err);
    }
}

#[tokio::test]
async fn a_url_that_is_none_is_said() {
    for (url, word) in [
        (format!("postgres://u:{SECRET}@host"), "database"),
        (format!("postgres:///{SECRET}"), "host"),
        (format!("postgres://u:{SECRET}@host:port/db"), "port"),
        (format!("postgres://u:{SECRET}@host/db?colour=blue"), "colour"),
        (format!("postgres://u:{SECRET}@host/db?sslmode=maybe"), "sslmode"),
        (format!("postgres://u:{SECRET}@host/db?sslmode=require&sslrootcert=/nowhere/ca.pem"), "sslrootcert"),
        (format!("mysql://u:{SECRET}@host/db"), "postgres://"),
    ] {
        says(&list(&url, &[]).await, UNUSABLE, &[word]);
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_not_waited_for_by_a_command() {
    let begun = Instant::now();
    let url = format!("postgres://u:{SECRET}@127.0.0.1:1/db");
    says(&list(&url, &[]).await, UNAVAILABLE, &["127.0.0.1:1/db", "cannot be reached", "running"]);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().to_str().unwrap();
    let checked = run(["migrate", "--check", "--store", &url, "--state-dir", state]).await;
    says(&checked, UNAVAILABLE, &["cannot be reached"]);
}

#[tokio::test]
async fn a_server_that_takes_connections_and_stays_silent_is_given_up() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let begun = Instant::now();
    let url = format!("postgres://u:{SECRET}@{}/db", silent.local_addr().unwrap());
    says(&list(&url, &[]).await, UNAVAILABLE, &["cannot be reached", "no answer"]);
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn passwords_are_asked_for_and_checked() {
    // A server that somebody lends to tests may trust everybody.
    let server = Server::start_with(&[("fsync", "off")]).await.unwrap();
    let place = Place::of(server.create_database().await.unwrap()).await;
    place.may_create().await;
    let (name, file) = (place.database.name(), tempfile::NamedTempFile::new().unwrap());
    let path = file.path().to_str().unwrap();
    let (with, without) = (place.url(SECRET, name), place.url("", name));
    says(
        &list(&place.url("hush-hush-no", name), &[]).await,
        UNUSABLE,
        &[&place.role, "password", "pg_hba.conf"],
    );
    says(&list(&without, &[]).await, UNUSABLE, &["asks for a password", "--store-password-file"]);
    says(&list(&without, &["--store-password-file", path]).await, UNUSABLE, &[path, "empty"]);
    says(
        &list(&without, &["--store-password-file", "/nowhere"]).await,
        UNUSABLE,
        &["/nowhere", "No such file"],
    );
    fs::write(file.path(), format!("{SECRET}\n")).unwrap();
    for (url, more) in [(&with, &[][..]), (&without, &["--store-password-file", path])] {
        let output = list(url, more).await;
        assert_eq!((output.code, output.err.as_str()), (Some(0), ""), "{output:?}");
    }
    place.close().await;
}

#[tokio::test]
async fn a_database_that_is_missing_or_closed_or_not_ours_is_said() {
    let place = Place::open().await;
    says(&list(&place.url(SECRET, "no_such_one"), &[]).await, UNUSABLE, &["no_such_one", "createdb"]);
    says(&list(&place.own_url(), &[]).await, UNUSABLE, &[&place.role, "regrow migrate", "rights"]);
    let foreign = "CREATE SCHEMA regrow; CREATE TABLE regrow.songs (title text);
        GRANT USAGE ON SCHEMA regrow TO public";
    place.client.batch_execute(foreign).await.unwrap();
    says(&list(&place.own_url(), &[]).await, UNUSABLE, &["another program", "another database"]);
    place.close().await;
}

#[tokio::test]
async fn a_standby_is_said_and_passed_over_where_the_primary_is_named_too() {
    let server = Server::start_with(&[("fsync", "off")]).await.unwrap();
    let standby = server.standby().await.unwrap();
    says(
        &list(&standby.url("postgres"), &[]).await,
        UNAVAILABLE,
        &["standby", "target_session_attrs=read-write"],
    );
    let both = format!(
        "postgres://{}:{}@127.0.0.1:{},127.0.0.1:{}/postgres?target_session_attrs=read-write",
        server.user(),
        server.password(),
        standby.port(),
        server.port()
    );
    let output = list(&both, &[]).await;
    assert_eq!(output.code, Some(0), "{output:?}");
}

#[tokio::test]
async fn a_server_without_a_free_connection_is_said() {
    let server = Server::start_with(&[("fsync", "off"), ("max_connections", "6")]).await.unwrap();
    let mut taken = Vec::new();
    while let Ok(client) = server.connect().await {
        taken.push(client);
    }
    let output = list(&server.url("postgres"), &[]).await;
    says(&output, UNAVAILABLE, &["no connection left", "max_connections"]);
    assert!(!output.err.contains(server.password()));
    drop(taken);
}

#[tokio::test]
async fn serving_waits_for_a_server_that_is_not_there_yet() {
    let mut server = Server::start_with(&[("fsync", "off")]).await.unwrap();
    server.stop().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let ready = directory.path().join("ready");
    let mut replica = serve(&server.url("postgres"), directory.path(), &ready);
    let mut lines = BufReader::new(replica.stderr.take().unwrap()).lines();
    let told = soon(async {
        loop {
            let line = lines.next_line().await.unwrap().expect("it waits");
            if line.contains("waiting for the store") {
                return line;
            }
        }
    })
    .await;
    assert!(told.contains("cannot be reached") && !told.contains(server.password()), "{told}");
    assert!(!ready.exists(), "it does not serve without a store");
    server.restart().await.unwrap();
    until(async || ready.exists().then_some(())).await;
    drop(replica.stdin.take());
    assert_eq!(soon(replica.wait()).await.unwrap().code(), Some(0));
}

fn serve(store: &str, directory: &Path, ready: &Path) -> tokio::process::Child {
    let mut command = Command::new(PROGRAM);
    command.args(["serve", "--port", "0", "--store", store, "--state-dir"]).arg(directory);
    command.env("REGROW_READY_FILE", ready).env("REGROW_STOP_WITH_STDIN", "1");
    for name in ["OPENCLAW_CONFIG_PATH", "REGROW_STORE", "REGROW_STORE_PASSWORD_FILE"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    command.spawn().unwrap()
}
