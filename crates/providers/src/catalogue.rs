//! The catalogue: which models there are, what is known of them, and who speaks for them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::anthropic::Anthropic;
use crate::breaker::Breakers;
use crate::demo::{self, Demo};
use crate::openai::OpenAi;
use crate::provider::{Call, Provider};
use crate::{Api, Error, ModelOptions, ModelRequest, Observer, Options, ProviderOptions, Retry};

/// What is known of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInfo {
    /// Its full name, `provider/model`.
    pub name: String,
    /// Tokens of prompt and answer together.
    pub context_window: u32,
    /// The most tokens of one answer.
    pub max_tokens: u32,
    /// The model reads images.
    pub images: bool,
}

/// All models that can be called. Shared by all runs of a process; calls do not wait for each other.
pub struct Models {
    providers: HashMap<String, Entry>,
    /// The full names of the listed models, in the order of the configuration.
    names: Vec<String>,
    pub(crate) retry: Retry,
    pub(crate) breakers: Breakers,
    pub(crate) observer: Option<Arc<dyn Observer>>,
}

struct Entry {
    provider: Box<dyn Provider>,
    /// The listed models by their id at the provider.
    models: HashMap<String, ModelOptions>,
}

impl Models {
    /// The catalogue of `options`; without any provider, the one of the demo model. HTTP clients are made at the first
    /// call of each provider, so what is wrong with the machine is an error of that call.
    ///
    /// # Errors
    /// `Misconfigured` for an id that is empty, repeated or contains `/`, a base URL that is none, and keys or headers
    /// that cannot be sent.
    pub fn new(options: Options) -> Result<Self, Error> {
        let mut models = Self::empty(options.retry);
        for provider in &options.providers {
            models
                .add(provider)
                .map_err(|message| Error::Misconfigured { provider: provider.id.clone(), message })?;
        }
        if options.providers.is_empty() {
            models.insert(demo::listing(), Box::new(Demo::default()));
        }
        Ok(models)
    }

    /// The catalogue of the demo model alone, which answers at a human pace.
    pub fn demo() -> Self {
        Self::demo_paced(demo::PER_WORD)
    }

    /// The catalogue of the demo model alone, which takes `per_word` for each word; zero for as fast as it can.
    pub fn demo_paced(per_word: Duration) -> Self {
        let mut models = Self::empty(Retry::default());
        models.insert(demo::listing(), Box::new(Demo::new(per_word)));
        models
    }

    /// The same, and every attempt is told to `observer`.
    #[must_use]
    pub fn observed_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// What is known of the model called `name`, `provider/model`; none if there is no such provider. A model that is
    /// not listed has default limits, and is thought to read images.
    pub fn info(&self, name: &str) -> Option<ModelInfo> {
        self.find(name).map(|(info, _, _)| info)
    }

    /// The full names of the listed models, in the order of the configuration.
    pub fn names(&self) -> Vec<String> {
        self.names.clone()
    }

    /// The provider of the model called `name`, and the call to make of it.
    pub(crate) fn call<'a>(
        &'a self,
        name: &'a str,
        request: &'a ModelRequest<'a>,
    ) -> Option<(&'a dyn Provider, Call<'a>)> {
        let (info, id, entry) = self.find(name)?;
        Some((entry.provider.as_ref(), Call::new(info, id, request)))
    }

    fn find<'a>(&'a self, name: &'a str) -> Option<(ModelInfo, &'a str, &'a Entry)> {
        let (provider, id) = name.split_once('/').filter(|(_, id)| !id.is_empty())?;
        let entry = self.providers.get(provider)?;
        let unlisted = || ModelOptions::unlisted(id);
        let ModelOptions { context_window, max_tokens, images, .. } =
            entry.models.get(id).cloned().unwrap_or_else(unlisted);
        let info = ModelInfo { name: name.to_owned(), context_window, max_tokens, images };
        Some((info, id, entry))
    }

    fn empty(retry: Retry) -> Self {
        Self {
            providers: HashMap::new(),
            names: Vec::new(),
            retry,
            breakers: Breakers::default(),
            observer: None,
        }
    }

    /// Adds a provider; the error says what is wrong with its options.
    fn add(&mut self, options: &ProviderOptions) -> Result<(), String> {
        if options.id.is_empty() || options.id.contains('/') {
            return Err("a provider's id must not be empty and must not contain `/`".to_owned());
        }
        if self.providers.contains_key(&options.id) {
            return Err("there are two providers with this id".to_owned());
        }
        let provider: Box<dyn Provider> = match options.api {
            Api::OpenAiCompletions => Box::new(OpenAi::new(options)?),
            Api::AnthropicMessages => Box::new(Anthropic::new(options)?),
            Api::Demo => Box::new(Demo::default()),
        };
        self.insert((options.id.clone(), options.models.clone()), provider);
        Ok(())
    }

    fn insert(&mut self, (id, models): (String, Vec<ModelOptions>), provider: Box<dyn Provider>) {
        self.names.extend(models.iter().map(|model| format!("{id}/{}", model.id)));
        let models = models.into_iter().map(|model| (model.id.clone(), model)).collect();
        self.providers.insert(id, Entry { provider, models });
    }
}

/// By hand, because the providers hold keys.
impl std::fmt::Debug for Models {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Models")
            .field("names", &self.names)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timeouts;

    fn provider(id: &str) -> ProviderOptions {
        ProviderOptions {
            id: id.to_owned(),
            api: Api::OpenAiCompletions,
            base_url: "http://127.0.0.1:1/v1".to_owned(),
            api_key: Some("sk-secret-key".into()),
            headers: vec![("x-team".to_owned(), "secret-team".to_owned())],
            timeouts: Timeouts::default(),
            models: vec![ModelOptions {
                id: "org/m".to_owned(),
                context_window: 9,
                max_tokens: 3,
                images: false,
            }],
        }
    }

    fn models(providers: Vec<ProviderOptions>) -> Result<Models, Error> {
        Models::new(Options { providers, ..Options::default() })
    }

    #[test]
    fn listed_and_unlisted_models_are_known() {
        let models = models(vec![provider("p")]).unwrap();
        assert_eq!(models.names(), ["p/org/m"]);
        let info = |name: &str, context_window, max_tokens, images| {
            Some(ModelInfo { name: name.to_owned(), context_window, max_tokens, images })
        };
        assert_eq!(models.info("p/org/m"), info("p/org/m", 9, 3, false));
        assert_eq!(models.info("p/other"), info("p/other", 128_000, 8192, true));
        for unknown in ["q/m", "p", "p/", "/m", ""] {
            assert_eq!(models.info(unknown), None, "{unknown:?}");
        }
    }

    #[test]
    fn without_providers_there_is_the_demo_model() {
        assert_eq!(models(vec![]).unwrap().names(), ["demo/demo"]);
        assert_eq!(Models::demo().names(), ["demo/demo"]);
    }

    #[test]
    fn wrong_options_are_refused_without_telling_secrets() {
        let wrong = |change: fn(&mut ProviderOptions)| {
            let mut options = provider("p");
            change(&mut options);
            models(vec![options]).unwrap_err().to_string()
        };
        for message in [
            wrong(|options| options.id = String::new()),
            wrong(|options| options.id = "a/b".to_owned()),
            wrong(|options| options.base_url = "secret-host/v1".to_owned()),
            wrong(|options| options.api_key = Some("secret\nkey".into())),
            wrong(|options| options.headers = vec![("bad name".to_owned(), "secret".to_owned())]),
            wrong(|options| options.headers = vec![("x-a".to_owned(), "secret\0".to_owned())]),
            models(vec![provider("p"), provider("p")]).unwrap_err().to_string(),
        ] {
            assert!(!message.contains("secret"), "{message}");
        }
        assert!(!format!("{:?} {:?}", provider("p"), models(vec![provider("p")])).contains("secret"));
    }
}
