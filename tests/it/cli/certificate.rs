//! `vultrino ca`: the certificate that clients trust is that of the store, whatever lies beside it.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
};

use vultrino::{
    base::secret::Secret,
    store::{CaCertificate, Change, FileStore},
};

use crate::{
    cli::home::{Home, PASSWORD, Ran, Running, mode, piped},
    support::wait::until,
};

#[test]
fn the_certificate_is_exported_and_comes_back_from_the_store() {
    let home = Home::set_up();
    let path = home.run(&["ca", "path"]).ok().out;
    assert_eq!(path.trim_end(), home.path(".local/share/vultrino/ca.pem").to_str().unwrap());
    let pem = home.run(&["ca", "export"]).ok().out;
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----\n") && pem.ends_with("-----END CERTIFICATE-----\n"));
    assert_eq!(pem, fs::read_to_string(path.trim_end()).unwrap());

    // The file beside the store proves nothing.
    let without_password = |arguments: &[&str]| Ran::of(home.command(arguments).env_remove("VULTRINO_PASSWORD"));
    without_password(&["ca", "export"]).fails_with(2).says("VULTRINO_PASSWORD");
    assert_eq!(without_password(&["ca", "path"]).ok().out, path);
    for arguments in [["ca", "export"], ["ca", "path"]] {
        fs::remove_file(path.trim_end()).unwrap();
        home.run(&arguments).ok();
        assert_eq!(fs::read_to_string(path.trim_end()).unwrap(), pem);
        assert_eq!(mode(Path::new(path.trim_end())), 0o644);
    }
}

#[test]
fn a_certificate_file_that_differs_from_the_store_is_replaced_with_a_warning() {
    let home = Home::set_up();
    let file = home.path(".local/share/vultrino/ca.pem");
    let (pem, elsewhere) = (fs::read_to_string(&file).unwrap(), home.path("of-somebody-else.pem"));
    let other = Home::set_up().run(&["ca", "export"]).ok().out;
    let spoil: [&dyn Fn(); 5] = [
        &|| fs::write(&file, &other).unwrap(),
        &|| fs::write(&file, format!("{pem}{other}")).unwrap(),
        &|| fs::write(&file, "").unwrap(),
        &|| {
            fs::write(&elsewhere, &pem).unwrap();
            fs::remove_file(&file).unwrap();
            symlink(&elsewhere, &file).unwrap();
        },
        &|| fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap(),
    ];
    for (at, spoil) in spoil.iter().enumerate() {
        for arguments in [["ca", "export"], ["ca", "path"]] {
            spoil();
            let ran = home.run(&arguments).ok().says("did not hold the CA certificate of the store");
            assert!(arguments[1] == "path" || ran.out == pem, "{at}");
            assert_eq!((fs::read_to_string(&file).unwrap(), file.is_symlink()), (pem.clone(), false), "{at}");
            assert_eq!(mode(&file), 0o644, "{at}");
            assert!(!home.run(&arguments).ok().err.contains("did not hold"), "{at}");
        }
        spoil();
        // Without a password, what is in it is not compared.
        let ran = Ran::of(home.command(&["ca", "path"]).env_remove("VULTRINO_PASSWORD"));
        assert_eq!(ran.code == 0, at < 3, "{at} {ran:?}");
        let serving = Running(piped(&mut home.command(&["serve", "--bind", "127.0.0.1:0"])).spawn().unwrap());
        until("the server has replaced it", || {
            (!file.is_symlink() && mode(&file) == 0o644 && fs::read_to_string(&file).is_ok_and(|it| it == pem))
                .then_some(())
        });
        drop(serving);
    }
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), pem, "nothing was written through the link");
}

#[test]
fn a_store_without_a_usable_root_hands_out_no_certificate() {
    let home = Home::set_up();
    let store = FileStore::open(&home.store(), &Secret::from(PASSWORD.to_owned())).unwrap();
    let key = Secret::from("no key".to_owned());
    let certificate = CaCertificate { der: b"no certificate".to_vec() };
    store.apply(vec![Change::PutCa { certificate, key }], store.load().unwrap().revision).unwrap();
    for arguments in [&["ca", "export"][..], &["ca", "path"], &["serve", "--bind", "127.0.0.1:0"]] {
        let ran = home.run(arguments);
        assert_ne!(ran.code, 0, "{ran:?}");
        assert_eq!(ran.out, "", "{arguments:?}");
        ran.says("restore the store from a backup");
    }
}
