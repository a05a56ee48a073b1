//! The demo's tour, every step of it, as a newcomer sees it.

#[test]
fn every_step_of_the_tour_holds() {
    let lab = lab::daemon::find_binary("lab").unwrap();
    let output =
        std::process::Command::new(lab).args(["demo", "--json", "--policy"]).arg(crate::example()).output().unwrap();
    let lines = String::from_utf8_lossy(&output.stdout);
    let steps: Vec<serde_json::Value> = lines
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|value: &serde_json::Value| value["step"].is_number())
        .collect();
    let broken: Vec<_> = steps.iter().filter(|step| step["held"] != true).collect();
    assert!(broken.is_empty(), "{broken:#?}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(steps.len() >= 12, "{lines}");
}
