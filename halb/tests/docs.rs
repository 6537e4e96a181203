//! What the documents say of the tree is held against the tree.

use std::fs;
use std::path::{Path, PathBuf};

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(top().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_configuration_in_the_readme_is_the_example() {
    let readme = read("README.md");
    let shown = readme.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let example = read("examples/kubernetes.toml");
    let without_head: Vec<_> = example.lines().skip_while(|line| !line.starts_with('[')).collect();
    assert_eq!(shown.trim(), without_head.join("\n").trim());
}

#[test]
fn every_link_within_the_repository_leads_somewhere() {
    let pages = ["README.md", "CONTRIBUTING.md", "docs/README.md", "docs/configuration.md"];
    for page in pages {
        let folder = top().join(page).parent().unwrap().to_owned();
        let text = read(page);
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.starts_with("http") && !link.starts_with('#')) {
            let file = link.split('#').next().unwrap_or_default();
            assert!(folder.join(file).exists(), "{page} links to {link}, which isn't there");
        }
    }
}

#[test]
fn the_map_names_every_folder_and_only_those() {
    let map = read("ARCHITECTURE.md");
    let mut named: Vec<_> = map
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("/` |"))
        .map(|(folder, _)| folder.to_owned())
        .collect();
    let mut there: Vec<_> = fs::read_dir(top())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !["target", ".git", ".config"].contains(&name.as_str()))
        .collect();
    named.sort();
    there.sort();
    assert_eq!(named, there, "left: in ARCHITECTURE.md; right: in the tree");
}
