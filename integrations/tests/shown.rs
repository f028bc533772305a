//! The guide shows its clients as text: these tests have to compile and run each of them.

use std::path::Path;

#[test]
fn every_client_of_the_guide_is_shown_and_run() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &Path| std::fs::read_to_string(path).expect("a file");
    let guide = read(&here.join("../src/guide/mod.rs"));
    let user = read(&here.join("src/lib.rs"));
    let mut clients = 0;
    for file in here
        .join("../src/guide/clients")
        .read_dir()
        .expect("a folder")
    {
        let path = file.expect("a file").path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.expect("a name in ASCII");
        let is_run = user.contains(&format!("src/guide/clients/{name}\"]"));
        let says_no = read(&path).starts_with("// Not compiled here");
        assert_ne!(is_run, says_no, "{name}");
        let shown = format!("include_str!(\"clients/{name}\")");
        assert!(guide.contains(&shown), "{name}");
        clients += 1;
    }
    assert_eq!(clients, guide.matches("include_str!(\"clients/").count());
}
