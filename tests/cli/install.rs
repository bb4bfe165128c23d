//! `gt up --install`: the unit, what systemd is asked, and what is said where there is none. Stand-ins for `systemctl` and `loginctl`
//! note what they are asked.

use std::path::PathBuf;

use gastown::world::exec::Exec;

use crate::harness::Folder;

/// A town in which systemd does as it is told, and the user lingers or not.
fn with_systemd(lingers: &str) -> Folder {
    let folder = Folder::town();
    let asked = folder.path("asked");
    folder.has_program("systemctl", &format!("#!/bin/sh\necho \"systemctl $*\" >> '{}'\n", asked.display()));
    folder.has_program("loginctl", &format!("#!/bin/sh\necho {lingers}\n"));
    folder
}

fn asked(folder: &Folder) -> String {
    let asked = fs_err::read_to_string(folder.path("asked")).unwrap_or_default();
    fs_err::remove_file(folder.path("asked")).ok();
    let unit = unit(folder).map(|unit| unit.file_name().unwrap().to_string_lossy().into_owned()).unwrap_or_default();
    if unit.is_empty() { asked } else { asked.replace(&unit, "[unit]") }
}

fn unit(folder: &Folder) -> Option<PathBuf> {
    let entries = fs_err::read_dir(folder.path("config/systemd/user")).ok()?;
    entries.flatten().map(|entry| entry.path()).find(|path| path.extension().is_some_and(|it| it == "service"))
}

/// What is said, with the unit's name as far as it is the same each time.
fn said(folder: &Folder, args: &[&str]) -> String {
    let uid = folder.opened().uid[..8].to_owned();
    folder.gt(args).all().replace(&uid, "[uid]")
}

#[test]
fn a_unit_is_written_started_and_removed_again() {
    let folder = with_systemd("no");
    insta::assert_snapshot!(said(&folder, &["up", "--install"]), @"
    [dir]/config/systemd/user/gt-home-[uid].service written
    ! town `home` is started by systemd; `gt status` shows it
    ! it starts when you log in, and ends with your last session: `loginctl enable-linger` has it run from boot on
    ! what else your shell sets, such as an API key, is not in the unit: `systemctl --user edit gt-home-[uid].service` adds it
    exit 0
    ");
    insta::assert_snapshot!(asked(&folder), @"
    systemctl --user show-environment
    systemctl --user daemon-reload
    systemctl --user enable --now [unit]
    ");
    let text = fs_err::read_to_string(unit(&folder).unwrap()).unwrap();
    for line in ["KillMode=process\n", "Restart=on-failure\n", "WantedBy=default.target\n"] {
        assert!(text.contains(line), "{text}");
    }
    insta::assert_snapshot!(said(&folder, &["up", "--uninstall"]), @"
    [dir]/config/systemd/user/gt-home-[uid].service removed
    ! agents that are at work go on; `gt up` starts the controller by hand
    exit 0
    ");
    assert_eq!(unit(&folder), None);
    insta::assert_snapshot!(asked(&folder).replace(&folder.opened().uid[..8], "[uid]"), @"
    systemctl --user show-environment
    systemctl --user disable --now gt-home-[uid].service
    systemctl --user daemon-reload
    ");
    insta::assert_snapshot!(said(&folder, &["up", "--uninstall"]), @"
    ! there is no unit [dir]/config/systemd/user/gt-home-[uid].service
    exit 0
    ");
}

#[test]
fn one_who_lingers_is_told_that_it_starts_at_boot() {
    let folder = with_systemd("yes");
    let said = folder.gt(&["up", "--install"]).all();
    assert!(said.contains("! it is started at boot\n"), "{said}");
}

#[test]
fn a_town_that_is_up_is_left_as_it_is() {
    let folder = with_systemd("yes");
    folder.opened().claim().unwrap();
    let _serving = folder.serve();
    insta::assert_snapshot!(said(&folder, &["up", "--install"]), @"
    [dir]/config/systemd/user/gt-home-[uid].service written
    ! town `home` is up already, and stays as it is until the next boot; to hand it over now:
    !   gt down && systemctl --user start gt-home-[uid].service
    ! it is started at boot
    ! what else your shell sets, such as an API key, is not in the unit: `systemctl --user edit gt-home-[uid].service` adds it
    exit 0
    ");
    assert!(asked(&folder).ends_with("systemctl --user enable [unit]\n"));
}

#[test]
fn without_systemd_nothing_is_written_and_a_way_is_told() {
    let folder = Folder::town();
    folder.has_program("systemctl", "#!/bin/sh\necho 'Failed to connect to bus: No medium found' >&2\nexit 1\n");
    let done = folder.gt(&["up", "--install"]);
    assert_eq!((done.code, &*done.out, unit(&folder)), (1, "", None));
    let lines: Vec<&str> = done.err.lines().collect();
    assert_eq!(
        lines[..2],
        [
            "error: your user has no systemd here, so nothing was installed: Failed to connect to bus: No medium found",
            "hint: without it, `crontab -e` takes this line:"
        ]
    );
    assert!(lines[2].starts_with("  @reboot PATH=") && lines[2].ends_with(" --town [dir]/home up"), "{}", lines[2]);
}

#[test]
fn the_unit_is_printed_and_systemd_understands_it() {
    let folder = Folder::empty();
    let town = folder.path("my \"100%\" $town");
    fs_err::create_dir(&town).unwrap();
    assert_eq!(folder.gt_at(&town, &["init", "--name", "home"], "").code, 0);
    let printed = folder.gt_at(&town, &["up", "--install", "--dry-run", "--machine-polecats", "3"], "");
    assert_eq!((printed.code, unit(&folder)), (0, None));
    let command = printed.out.lines().find(|line| line.starts_with("ExecStart=")).unwrap();
    assert!(
        command.ends_with(r#"/gt" "up" "--foreground" "--town" "[dir]/my \"100%%\" $$town" "--machine-polecats" "3""#),
        "{command}"
    );
    let file = folder.path("gt-home.service");
    fs_err::write(&file, printed.out.replace("[dir]", folder.path("").to_str().unwrap().trim_end_matches('/')))
        .unwrap();
    let checked = Exec::new("systemd-analyze").args(["verify", "--user", "--man=no"]).arg(&file);
    match checked.env("XDG_RUNTIME_DIR", folder.path("")).limit(std::time::Duration::from_mins(1)).run() {
        Ok(output) => assert_eq!((output.code, output.complaint()), (0, String::new())),
        Err(error) => eprintln!("SKIPPED: {error}"),
    }
    // What only one of them takes is wrong usage.
    assert_eq!(folder.gt_at(&town, &["up", "--dry-run"], "").code, 2);
}
