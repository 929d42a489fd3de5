//! A server ends when its owner ends, and leaves nothing behind.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use regrow_testbed::postgres::{Address, Client, Server};
use tokio::time::{interval, timeout};

/// Makes this program the owner of a server.
const OWNER: &str = "REGROW_TESTBED_OWNER";

/// Begins the line by which an owner tells the URL of its server.
const TOLD: &str = "the server is ";

const LIMIT: Duration = Duration::from_secs(30);

/// The directory of a server: its data directory is in it.
async fn directory(client: &Client) -> PathBuf {
    let data: String = client.query_one("SHOW data_directory", &[]).await.unwrap().get(0);
    Path::new(&data).parent().unwrap().to_owned()
}

async fn wait_until_gone(directory: &Path) {
    let mut ticks = interval(Duration::from_millis(10));
    let gone = timeout(LIMIT, async {
        while directory.exists() {
            ticks.tick().await;
        }
    });
    gone.await.unwrap();
}

/// Runs this test in another process, as an owner.
fn spawn_owner(test: &str) -> (Child, Address) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(OWNER, "1").stdout(Stdio::piped());
    let mut owner = command.spawn().unwrap();
    let mut lines = BufReader::new(owner.stdout.take().unwrap()).lines().map(Result::unwrap);
    let url = lines.find_map(|line| Some(line.split_once(TOLD)?.1.to_owned())).unwrap();
    (owner, Address::parse(&url).unwrap())
}

#[tokio::test]
async fn a_server_ends_with_an_owner_that_is_killed() {
    if std::env::var_os(OWNER).is_some() {
        let server = Server::start().await.unwrap();
        println!("{TOLD}{}", server.url(""));
        std::future::pending::<()>().await;
    }
    let (mut owner, server) = spawn_owner("owner::a_server_ends_with_an_owner_that_is_killed");
    let client = server.connect("postgres").await.unwrap();
    let directory = directory(&client).await;
    assert!(directory.join("data").exists());
    // This is SIGKILL.
    owner.kill().unwrap();
    owner.wait().unwrap();
    wait_until_gone(&directory).await;
    assert!(client.batch_execute("SELECT 1").await.is_err());
    assert!(server.connect("postgres").await.is_err());
}

#[tokio::test]
async fn a_dropped_server_leaves_nothing_behind() {
    let server = Server::start().await.unwrap();
    let address = server.address().clone();
    let directory = directory(&server.connect().await.unwrap()).await;
    drop(server);
    wait_until_gone(&directory).await;
    assert!(address.connect("postgres").await.is_err());
}

#[tokio::test]
async fn a_server_that_is_down_leaves_nothing_behind_when_dropped() {
    let mut server = Server::start().await.unwrap();
    let directory = directory(&server.connect().await.unwrap()).await;
    server.crash().await.unwrap();
    assert!(directory.exists());
    drop(server);
    assert!(!directory.exists());
}
