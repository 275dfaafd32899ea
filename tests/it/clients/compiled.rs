//! Clients in Go and Java.

use std::path::Path;

use crate::clients::{
    Row, SERVER,
    origin::whole,
    seat::{CLIENTS, Seat},
    spoken, version_of,
};

pub(super) fn rows() -> [Row; 3] {
    [
        Row {
            client: "Go net/http",
            trust: "SSL_CERT_FILE",
            host: "go.example.com",
            address: SERVER,
            version: || go("http"),
            run: go_http,
        },
        Row {
            client: "Java HttpClient",
            trust: "javax.net.ssl.trustStore",
            host: "java.example.com",
            address: SERVER,
            version: || java("WithHttpClient.class").and_then(|it| version_of("java", &["--version"], &it)),
            run: |seat| in_java(seat, "WithHttpClient"),
        },
        Row {
            client: "OkHttp",
            trust: "javax.net.ssl.trustStore",
            host: "okhttp.example.com",
            address: SERVER,
            version: || java("okhttp-4.12.0.jar").map(|_| "4.12.0".to_owned()),
            run: |seat| in_java(seat, "WithOkHttp"),
        },
    ]
}

/// The version of the compiler of a program that `make test` has compiled, if it could.
fn go(name: &str) -> Option<String> {
    version_of("go", &["version", &format!("{CLIENTS}/go/{name}")], ": go")
}

fn java(file: &str) -> Option<String> {
    Path::new(CLIENTS).join("java").join(file).exists().then(|| "openjdk ".to_owned())
}

fn go_http(seat: &Seat<'_>) -> String {
    let mut command = seat.client(format!("{CLIENTS}/go/http"));
    version(&seat.run(command.arg(seat.url("")), ""))
}

fn in_java(seat: &Seat<'_>, class: &str) -> String {
    let ca = seat.ca().display().to_string();
    let mut keytool = seat.command("keytool");
    keytool.args(["-importcert", "-noprompt", "-alias", "vultrino", "-file", &ca]);
    seat.run(keytool.args(["-keystore", "trusted.p12", "-storepass", "changeit"]), "");
    let address = seat.appliance.address();
    let options = format!(
        "-Dhttps.proxyHost={} -Dhttps.proxyPort={} -Djdk.http.auth.tunneling.disabledSchemes= \
         -Djavax.net.ssl.trustStore=trusted.p12 -Djavax.net.ssl.trustStorePassword=changeit",
        address.ip(),
        address.port()
    );
    let mut command = seat.command("java");
    command.env("JAVA_TOOL_OPTIONS", options).args(["-cp", &format!("{CLIENTS}/java:{CLIENTS}/java/*"), class]);
    version(&seat.run(command.arg(seat.url("")).args(seat.key), ""))
}

/// What stands behind the long answer and the posted one.
fn version(said: &str) -> String {
    let version = said.strip_prefix(&(whole() + "posted\n")).unwrap_or_else(|| panic!("{said}"));
    spoken(version.trim_end())
}
