//! The state directory: where the store, the token and workspaces are, unless something else is said.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use regrow_store::Store;
use regrow_store::postgres::Password;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use crate::cli::Common;
use crate::config::{self, Config, Keys, Loaded, Secret, Secrets, Source, Watched};
use crate::outcome::Unusable;
use crate::store_url::StoreUrl;

/// Random bytes of a generated token.
const TOKEN_BYTES: usize = 32;

/// The state directory and the configuration that belongs to it.
#[derive(Debug)]
pub(crate) struct State {
    /// The directory.
    pub(crate) directory: PathBuf,
    /// The configuration in force.
    pub(crate) config: Config,
    /// Where it was read, if there is a file.
    pub(crate) config_path: Option<PathBuf>,
    /// What is accepted but not acted on.
    pub(crate) warnings: Vec<config::Problem>,
    secrets: Secrets,
    store: Option<String>,
    store_password: Password,
}

impl State {
    /// Finds the directory and reads the configuration.
    pub(crate) fn open(common: &Common) -> anyhow::Result<Self> {
        Self::open_watched(common, &mut Vec::new())
    }

    /// The same; `files` are those that were read or looked for, whether or not all is well with them.
    pub(crate) fn open_watched(common: &Common, files: &mut Vec<Watched>) -> anyhow::Result<Self> {
        let directory = match &common.state_dir {
            Some(directory) => directory.clone(),
            None => home()?.join(".regrow"),
        };
        let path = common.config.clone().or_else(|| {
            let beside = directory.join("openclaw.json");
            files.push(Watched::look(&beside));
            beside.exists().then_some(beside)
        });
        let (loaded, read) = config::load_watched(&Source::from_process(path));
        files.extend(read);
        let Loaded { config, warnings, path, mut secrets } = loaded.map_err(|problems| {
            Unusable(format!("the configuration has problems\n{}", config::render(&problems)))
        })?;
        let store = common.store.clone().or_else(|| config.regrow.store.clone());
        let store_password = match &common.store_password_file {
            Some(path) => {
                files.push(Watched::look(path));
                let password = read_password(path)?;
                secrets.insert("regrow.storePassword".to_owned(), Secret::from(password.clone()));
                Password::from(SecretString::from(password))
            }
            None => {
                let configured = config.regrow.store_password.as_ref();
                configured.map_or_else(Password::default, |password| password.to_secret_string().into())
            }
        };
        Ok(Self { directory, config, config_path: path, warnings, secrets, store, store_password })
    }

    /// The keys of the configuration as the files and the environment have it.
    pub(crate) fn keys(&self, salt: &str) -> Keys {
        Keys::of(&self.config, &self.secrets, salt)
    }

    /// Creates the directory, readable by its owner only.
    pub(crate) fn create(&self) -> anyhow::Result<()> {
        create_private(&self.directory)
    }

    /// Lets connections to the store that `before` opened use the password that was read now.
    pub(crate) fn take_over_password(&mut self, before: &Self) {
        before.follow_password(self);
        self.store_password = before.store_password.clone();
    }

    /// Lets connections to the store that this opened use the password that `read` has.
    pub(crate) fn follow_password(&self, read: &Self) {
        self.store_password.follow(&read.store_password);
    }

    /// The store.
    pub(crate) fn store(&self) -> anyhow::Result<StoreUrl> {
        match &self.store {
            Some(url) => {
                let mut url = StoreUrl::parse(url, &self.store_password)?;
                if let StoreUrl::Postgres(options) = &mut url
                    && let Some(connections) = self.config.regrow.store_connections
                {
                    options.connections = connections as usize;
                }
                Ok(url)
            }
            None => Ok(StoreUrl::Sqlite(self.directory.join("regrow.db"))),
        }
    }

    /// Where the token is kept that was generated because none was configured.
    pub(crate) fn token_path(&self) -> PathBuf {
        self.directory.join("gateway-token")
    }

    /// The generated token; made by whichever replica starts first. Replicas on several machines, which share no
    /// directory, make the same one from the secret that they share.
    pub(crate) fn generated_token(&self, store: &dyn Store) -> anyhow::Result<String> {
        let path = self.token_path();
        let shared = self.store()?.is_shared_across_machines();
        let token = if shared { derived_token(store.cluster_secret()) } else { random_token()? };
        if shared && self.present_token()?.is_some_and(|present| present != token) {
            tracing::warn!(path = %path.display(), "the token of this machine gives way to that of all replicas");
            std::fs::remove_file(&path).with_context(|| format!("cannot replace {}", path.display()))?;
        }
        // Written aside and linked into place, so that no replica ever reads half a token.
        let aside = self.directory.join(format!(".gateway-token.{}", std::process::id()));
        let write = || -> std::io::Result<()> {
            let _ = std::fs::remove_file(&aside);
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
            file.write_all(token.as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            let linked = std::fs::hard_link(&aside, &path);
            std::fs::remove_file(&aside)?;
            linked
        };
        if !path.exists() {
            match write() {
                Ok(()) => {}
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e).with_context(|| format!("cannot write {}", path.display())),
            }
        }
        self.present_token()?
            .with_context(|| format!("{} is empty; delete it to get a new one", path.display()))
    }

    /// The generated token, if there is one.
    pub(crate) fn present_token(&self) -> anyhow::Result<Option<String>> {
        let path = self.token_path();
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim().to_owned()).filter(|token| !token.is_empty())),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// The workspace of an agent.
    pub(crate) fn workspace(&self, agent: &str) -> anyhow::Result<PathBuf> {
        match self.config.agents.workspace_of(agent) {
            Some(path) => expand(path),
            None if agent == self.config.agents.default_agent() => Ok(self.directory.join("workspace")),
            None => Ok(self.directory.join(format!("workspace-{agent}"))),
        }
    }

    /// Where the tools of an agent keep their records.
    pub(crate) fn agent_dir(&self, agent: &str) -> PathBuf {
        self.directory.join("agents").join(agent)
    }
}

/// Random bytes in hexadecimal, too many to be guessed.
pub(crate) fn random_token() -> anyhow::Result<String> {
    let mut random = [0; TOKEN_BYTES];
    getrandom::fill(&mut random).map_err(|e| anyhow::anyhow!("the system has no random numbers: {e}"))?;
    Ok(hex(&random))
}

/// A token that is a function of the secret, and from which nobody learns the secret.
fn derived_token(secret: &str) -> String {
    hex(&Sha256::digest(format!("regrow gateway token\0{secret}")))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_password(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Unusable(format!("--store-password-file {}: {e}", path.display())))?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(Unusable(format!("--store-password-file {}: the file is empty", path.display())).into());
    }
    Ok(password.to_owned())
}

/// Creates a directory that only its owner can read.
pub(crate) fn create_private(path: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("cannot create the directory {}", path.display()))
}

fn home() -> anyhow::Result<PathBuf> {
    let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
    home.context("there is no home directory; say --state-dir DIR")
}

/// A path in which `~` means the home directory.
fn expand(path: &str) -> anyhow::Result<PathBuf> {
    match path.strip_prefix('~') {
        Some("") => home(),
        Some(rest) if rest.starts_with('/') => Ok(home()?.join(&rest[1..])),
        _ => std::path::absolute(path).with_context(|| format!("cannot resolve {path}")),
    }
}
