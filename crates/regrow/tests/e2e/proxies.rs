//! Callers behind a balancer are told apart, if the configuration trusts it.

use serde_json::json;

use crate::scene::Scene;

#[tokio::test]
async fn who_guesses_behind_a_trusted_balancer_locks_nobody_else_out() {
    for (trusted, others) in [(json!(["192.0.2.1", "127.0.0.0/8"]), 200), (json!([]), 429)] {
        let limit = json!({"maxAttempts": 1, "exemptLoopback": false});
        let config = json!({"gateway": {"trustedProxies": trusted, "auth": {"rateLimit": limit}}});
        let scene = Scene::with(1, config).await;
        let url = format!("{}/models", scene.cluster.base_url(0).unwrap());
        let ask = async |token: &str, caller: &str| {
            let request =
                reqwest::Client::new().get(&url).bearer_auth(token).header("x-forwarded-for", caller);
            request.send().await.unwrap().status().as_u16()
        };
        assert_eq!(ask("wrong", "203.0.113.1").await, 401);
        assert_eq!(ask("regrow-chaos-token", "203.0.113.1").await, 429);
        assert_eq!(ask("regrow-chaos-token", "203.0.113.2").await, others);
    }
}
