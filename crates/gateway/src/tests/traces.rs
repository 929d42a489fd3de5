//! What of a request's trace goes on to its run.

use regrow_protocol::TraceContext;

use crate::testing::{Door, done};

const HI: &str = r#"{"model":"openclaw","messages":[{"role":"user","content":"hi"}]}"#;
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[tokio::test]
async fn a_context_that_can_be_read_goes_on_and_another_refuses_nothing() {
    for (headers, want) in [
        (format!("traceparent: {PARENT}"), TraceContext::parse(PARENT, None)),
        (format!("traceparent: {PARENT}\r\ntracestate: a=1"), TraceContext::parse(PARENT, Some("a=1"))),
        ("traceparent: 00-0-0-01".to_owned(), None),
        ("traceparent: \u{fc}".to_owned(), None),
        ("tracestate: a=1".to_owned(), None),
    ] {
        let door = Door::open().await;
        let (answer, ()) = tokio::join!(door.chat(&headers, HI), async {
            let (run, submission) = door.engine.submitted().await;
            assert_eq!(submission.inbound.trace, want, "{headers}");
            door.engine.end(run, done("Hello"));
        });
        assert_eq!(answer.status, 200, "{headers}");
    }
}
