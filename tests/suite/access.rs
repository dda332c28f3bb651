//! Access keys: a door that wants them, over TLS, what each lets in, and what becomes of one that is removed.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use data_encoding::BASE64;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

use crate::harness::{Home, Names, PATIENCE, files_below, until};
use crate::redis::address;

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// Where the certificate of a user's doors is.
fn cert(alice: &Home) -> PathBuf {
    alice.path.with_extension("cert.pem")
}

/// Flags of a node whose door wants keys and speaks TLS, with a certificate that is made for it.
fn flags(alice: &Home) -> Vec<String> {
    make_cert(alice);
    let (cert, key) = (cert(alice), key(alice));
    let (home, tls) = (alice.path.display().to_string(), format!("{},{}", cert.display(), key.display()));
    let flags = ["-vv", "--home", &home, "--redis", "127.0.0.1:0", "--redis-auth", "--redis-tls", &tls];
    flags.map(str::to_owned).into()
}

fn key(alice: &Home) -> PathBuf {
    alice.path.with_extension("key.pem")
}

/// Makes a certificate, in place of another that was there.
fn make_cert(alice: &Home) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let pem =
        |what: &str, der: &[u8]| format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", BASE64.encode(der));
    fs::write(cert(alice), pem("CERTIFICATE", made.cert.der())).unwrap();
    fs::write(key(alice), pem("PRIVATE KEY", &made.key_pair.serialize_der())).unwrap();
}

/// A client of the door that believes its certificate.
fn connect(names: &Names) -> Tls {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&fs::read(cert(&names.alice)).unwrap()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let name = ServerName::try_from("localhost").unwrap();
    let tls = ClientConnection::new(Arc::new(config.with_no_client_auth()), name).unwrap();
    let socket = TcpStream::connect(address(names, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    StreamOwned::new(tls, socket)
}

/// The first line of what the door says to a command.
fn told(stream: &mut Tls, line: &str) -> String {
    stream.write_all(format!("{line}\r\n").as_bytes()).unwrap();
    let (mut said, mut byte) = (Vec::new(), [0]);
    while !said.ends_with(b"\r\n") {
        stream.read_exact(&mut byte).unwrap();
        said.extend(byte);
    }
    String::from_utf8_lossy(&said).trim_end().to_owned()
}

/// A new key: its id and its secret.
fn create(names: &Names, more: &[&str]) -> (String, String) {
    let args = [&["key", "create", "redis", "--json"], more].concat();
    // The door makes the bucket, when the groups have begun.
    let made = until("a key is made", || Some(names.alice(&args)).filter(|made| made.code == Some(0)));
    let (made, text) = (made.json(), |made: &Value, name: &str| made[name].as_str().unwrap().to_owned());
    (text(&made, "id"), text(&made, "secret"))
}

#[test]
fn a_door_lets_in_who_shows_a_key_until_it_is_removed() {
    let names = Names::with_flags(1, flags);
    let (wide, secret) = create(&names, &["--note", "webshop"]);
    let (narrow, other) = create(&names, &["--read-only", "--expires", "30d"]);
    let listed = names.alice(&["key", "ls", "redis"]).ok().text();
    let [first, second] = [&wide, &narrow].map(|id| listed.lines().find(|line| line.contains(id.as_str())).unwrap());
    assert!(first.contains("writes") && first.contains("for good") && first.ends_with("webshop"), "{listed}");
    assert!(second.contains("reads ") && second.contains("until "), "{listed}");
    assert!(!listed.contains(&secret) && !listed.contains(&other), "{listed}");

    let (mut writer, mut reader) = (connect(&names), connect(&names));
    assert_eq!(told(&mut writer, "GET k"), "-NOAUTH Authentication required.");
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.";
    assert_eq!(told(&mut writer, &format!("AUTH {wide} {other}")), wrong);
    assert_eq!(told(&mut writer, &format!("AUTH {wide} {secret}")), "+OK");
    assert_eq!(told(&mut writer, "SET k v"), "+OK");
    assert_eq!(told(&mut reader, &format!("HELLO 3 AUTH {narrow} {other}")), "%7");
    let mut reader = connect(&names);
    assert_eq!(told(&mut reader, &format!("AUTH {other}")), "+OK");
    assert_eq!(told(&mut reader, "STRLEN k"), ":1");
    assert_eq!(told(&mut reader, "SET k w"), "-NOPERM this user has no permissions to run the 'set' command");
    redis_cli_is_let_in(&names, &wide, &secret);

    // What is removed is over within seconds, and nothing else.
    names.alice(&["key", "rm", "redis", &wide]).ok();
    names.alice(&["key", "rm", "redis", &wide]).ended(3).says("storgo key ls");
    assert_eq!(writer.read(&mut [0]).unwrap_or(0), 0, "the connection is closed");
    assert_eq!(told(&mut connect(&names), &format!("AUTH {wide} {secret}")), wrong);
    assert_eq!(told(&mut reader, "STRLEN k"), ":1");

    // Another certificate is shown without a restart, and who is connected stays.
    make_cert(&names.alice);
    until("the new certificate is shown", || {
        let mut newcomer = connect(&names);
        newcomer.write_all(b"PING\r\n").is_ok().then_some(())
    });
    assert_eq!(told(&mut reader, "STRLEN k"), ":1");
    let counted = names.lab.ask(&names.lab.nodes[0], &["node", "metrics"]).ok().json()["openmetrics"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(counted.contains("storgo_redis_wrong_auth_total 2\n"), "{counted}");

    // The secret is the program's that was given it, and of its door while that runs.
    let log = fs::read_to_string(&names.lab.nodes[0].log).unwrap();
    assert!(!log.is_empty(), "the node logs");
    for path in files_below(names.lab.path()) {
        let bytes = fs::read(&path).unwrap();
        let holds = |secret: &String| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(![&secret, &other].into_iter().any(holds), "a secret is in {}", path.display());
    }
}

/// Redis's own client, where it is installed.
fn redis_cli_is_let_in(names: &Names, id: &str, secret: &str) {
    let address = address(names, 0);
    let (host, port) = address.rsplit_once(':').unwrap();
    let mut cli = Command::new("redis-cli");
    cli.args(["-h", host, "-p", port, "--tls", "--cacert"]).arg(cert(&names.alice));
    cli.args(["--user", id, "--pass", secret, "--no-auth-warning", "GET", "k"]);
    match cli.output() {
        Err(error) => println!("redis-cli is left out: {error}"),
        Ok(output) => assert_eq!(String::from_utf8_lossy(&output.stdout), "v\n", "{output:?}"),
    }
}
