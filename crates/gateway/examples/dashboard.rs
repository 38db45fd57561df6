//! A gateway for the test of the dashboard: SQLite and a store in a temporary folder, tokens, a verifier that believes every receipt.
//!
//! Out: a line of JSON on stdout with its URL and two tokens, once it listens. It ends on SIGTERM.

use phalanx_api::{NewToken, Scope};
use phalanx_gateway::{Auth, Config, Gateway, Limits, Listener, new_secret, secret_hash};
use phalanx_queue::{Database, Queue};
use phalanx_store::Store;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let queue = Queue::new(Database::open(&format!("sqlite:{}", folder.path().join("queue.db").display())).await?);
    let store = Store::open_dir(folder.path().join("store"))?;
    let mut tokens = Vec::new();
    for scope in [Scope::Admin, Scope::Client] {
        let secret = new_secret()?;
        let token =
            NewToken { scope, tenant: "default".to_owned(), note: "dashboard test".to_owned(), expires_after_ms: None };
        queue.create_token(&secret_hash(&secret), &token).await?;
        tokens.push(secret);
    }
    let config =
        Config { queue, store, verify: |_| Ok(()), auth: Auth::Tokens, limits: Limits::default(), dashboard: true };
    let bound = Gateway::new(config).bind(&Listener { address: ([127, 0, 0, 1], 0).into(), tls: None }).await?;
    println!(
        "{}",
        serde_json::json!({ "url": format!("http://{}", bound.address()), "admin": tokens[0], "client": tokens[1] })
    );
    let mut ended = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    bound
        .run(async move {
            ended.recv().await;
        })
        .await;
    Ok(())
}
