//! The tools of one agent, after policy.

use std::sync::Arc;

use regrow_protocol::ToolSpec;

use crate::edit::EditTool;
use crate::read::ReadTool;
use crate::session_status::StatusTool;
use crate::web_fetch::WebFetchTool;
use crate::write::WriteTool;
use crate::{Error, Policy, Tool, WebOptions};

/// The tools of one agent. Clones share them.
#[derive(Clone)]
pub struct Toolbox {
    tools: Arc<[Arc<dyn Tool>]>,
}

impl std::fmt::Debug for Toolbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.tools.iter().map(|tool| &tool.spec().name)).finish()
    }
}

impl Toolbox {
    /// The built-in tools that `policy` allows. Fails only if `web_fetch` is among them and its HTTP client does not
    /// start.
    pub fn builtin(policy: &Policy, web: &WebOptions) -> Result<Self, Error> {
        let mut tools: Vec<Arc<dyn Tool>> =
            vec![Arc::new(ReadTool::new()), Arc::new(WriteTool::new()), Arc::new(EditTool::new())];
        if policy.allows("web_fetch") {
            tools.push(Arc::new(WebFetchTool::new(web)?));
        }
        tools.push(Arc::new(StatusTool::new()));
        tools.retain(|tool| policy.allows(&tool.spec().name));
        Ok(Self::new(tools))
    }

    /// Exactly these tools. Of two with one name, the first is called.
    pub fn new(tools: Vec<Arc<dyn Tool>>) -> Self {
        Self { tools: tools.into() }
    }

    /// These tools and `more`.
    #[must_use]
    pub fn with(self, more: &[Arc<dyn Tool>]) -> Self {
        if more.is_empty() { self } else { Self::new(self.tools.iter().chain(more).cloned().collect()) }
    }

    /// The tool with this name, if the agent has it.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Tool>> {
        self.tools.iter().find(|tool| tool.spec().name == name)
    }

    /// What the model is told of the tools, always in the same order, so that providers can cache the prompt.
    pub fn specs(&self) -> impl Iterator<Item = &ToolSpec> {
        self.tools.iter().map(|tool| tool.spec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Class, Profile};

    fn names(toolbox: &Toolbox) -> Vec<&str> {
        toolbox.specs().map(|spec| spec.name.as_str()).collect()
    }

    #[test]
    fn the_order_is_fixed_and_the_classes_are_declared() {
        let toolbox = Toolbox::builtin(&Policy::default(), &WebOptions::default()).unwrap();
        assert_eq!(names(&toolbox), ["read", "write", "edit", "web_fetch", "session_status"]);
        for (name, class) in [
            ("read", Class::Pure),
            ("write", Class::Keyed),
            ("edit", Class::Keyed),
            ("web_fetch", Class::Pure),
            ("session_status", Class::Pure),
        ] {
            assert_eq!(toolbox.get(name).map(|tool| tool.class()), Some(class), "{name}");
        }
    }

    #[test]
    fn what_policy_denies_is_not_there() {
        let policy = Policy { profile: Profile::Minimal, ..Policy::default() };
        let toolbox = Toolbox::builtin(&policy, &WebOptions::default()).unwrap();
        assert_eq!(names(&toolbox), ["session_status"]);
        assert!(toolbox.get("write").is_none());
    }

    #[test]
    fn parameters_are_object_schemas() {
        let toolbox = Toolbox::builtin(&Policy::default(), &WebOptions::default()).unwrap();
        for spec in toolbox.specs() {
            assert_eq!(spec.parameters["type"], "object", "{}", spec.name);
            assert!(!spec.description.is_empty(), "{}", spec.name);
        }
    }
}
