//! What one sandbox does reaches nobody else: each has a repository of its own, and pushes its own branch only.

use gastown_controllers::seen::Oid;

use super::town::{Said, Town, must, sh};

#[test]
fn a_polecat_commits_rebases_and_fetches_on_its_own_branch() {
    let town = Town::cloned();
    town.up("git tag -a -m one v1");
    town.fetch();
    town.polecat("nux", "a");
    town.work("nux", "echo a > a && git add a && git commit -qm a");
    assert!(town.work("nux", "git describe").starts_with("v1-1-g"), "tags came along");
    town.up("echo new > new && git add new && git commit -qm new");
    town.work("nux", "git fetch -q && git rebase -q origin/main && git push -q && git diff --quiet origin/main -- new");
    assert_eq!(town.work("nux", "git rev-parse origin/main HEAD~1"), [town.main().0, town.main().0].join("\n"));
    assert_eq!(town.work("nux", "git rev-parse --abbrev-ref origin/HEAD"), "origin/main");
    assert_eq!(town.work("nux", "git remote get-url origin"), town.url(), "to tools it is a clone of the remote");
    assert_eq!(town.inside("git rev-parse polecat/nux/a"), town.work("nux", "git rev-parse HEAD"));
    assert!(town.work("nux", "git worktree list").contains("[polecat/nux/a]"));
}

#[test]
fn nobody_is_asked_for_a_key_that_an_agent_does_not_have() {
    let town = Town::cloned();
    let config =
        "[commit]\n gpgSign = true\n[tag]\n gpgSign = true\n forceSignAnnotated = true\n[gpg]\n program = false\n";
    fs_err::write(town.path("gitconfig"), config).unwrap();
    town.polecat("nux", "a");
    let signing = format!("export GIT_CONFIG_GLOBAL={}", town.path("gitconfig").display());
    let commit = "git commit -q --allow-empty -m x";
    town.work("nux", &format!("{signing}; {commit} && git rebase -q --force-rebase HEAD~1 && git push -q"));
    let own = "git init -q target/own && cd target/own";
    town.work("nux", &format!("{signing}; {own} && {commit} && git tag -m x t"));
    assert_ne!(sh(&town.worktree("nux"), &format!("{signing}; {commit}"), &[]).code, 0, "people sign as they did");
}

#[test]
fn refs_and_stash_are_a_polecats_own_and_the_clone_takes_its_branch_only() {
    let town = Town::cloned();
    town.polecat("nux", "a");
    town.polecat("toast", "b");
    let refs = "git for-each-ref --format='%(refname) %(objectname)'";
    let before = town.inside(refs);
    let all = |name: &str| town.work(name, refs);
    let (toast, nux) = (all("toast"), all("nux"));
    town.work("nux", "echo x >> lines && git stash -q && git branch main && git branch polecat/toast/b && git tag v1");
    town.work("nux", "git update-ref refs/gt/target/main HEAD && git config user.name somebody && git gc -q");
    assert_ne!(all("nux"), nux);
    assert_eq!((town.inside(refs), all("toast")), (before.clone(), toast));
    assert_eq!(town.by("toast", "git stash list; git config user.name").out, "");

    let why = "origin takes polecat/nux/a only";
    for push in [
        "git push -q origin HEAD:main",
        "git push -q origin +HEAD:refs/gt/target/main",
        "git push -q origin +HEAD~0:refs/heads/polecat/toast/b",
        "git push -q --tags",
    ] {
        let Said { code, err, .. } = town.by("nux", &format!("git commit -q --allow-empty -m x && {push}"));
        assert!(code != 0 && err.contains(why), "{push}: {err}");
    }
    assert_ne!(town.by("nux", "git push -q origin :polecat/nux/a").code, 0, "a branch that was begun stays");
    let around = format!("git push -q {} HEAD:main", town.clone().display());
    assert!(town.by("nux", &around).err.contains("origin takes"), "so does the clone by its path");
    assert_eq!(town.inside(refs), before);
    // The user's own hooks for all repositories do not take the place of the clone's.
    fs_err::write(town.path("gitconfig"), "[core]\n hooksPath = /nowhere\n").unwrap();
    let global = format!("export GIT_CONFIG_GLOBAL={}", town.path("gitconfig").display());
    assert!(town.by("nux", &format!("{global}; git push -q origin HEAD:main")).err.contains(why));
    town.work("nux", "git push -q");
    assert_ne!(town.inside(refs), before);
}

#[test]
fn hooks_are_a_polecats_own_and_gone_with_its_bead() {
    let town = Town::cloned();
    town.polecat("nux", "a");
    town.polecat("toast", "b");
    let refuse = "h=$(git rev-parse --git-path hooks) && printf '#!/bin/sh\\nexit 1\\n' > $h/pre-commit && chmod +x $h/pre-commit";
    town.work("nux", refuse);
    let commit = "git commit -q --allow-empty -m x";
    assert_ne!(town.by("nux", commit).code, 0);
    town.work("toast", commit);
    town.polecat("nux", "c");
    town.work("nux", commit);
    // One that the user has for all repositories runs, and so does one that the repository's tools configure.
    must(sh(
        &town.path("."),
        "mkdir hooks && printf '#!/bin/sh\\necho ran > ran' > hooks/pre-commit && chmod +x hooks/*",
        &[],
    ));
    let hooks = town.path("hooks");
    fs_err::write(town.path("gitconfig"), format!("[core]\n hooksPath = {}\n", hooks.display())).unwrap();
    let global = format!("export GIT_CONFIG_GLOBAL={}", town.path("gitconfig").display());
    assert_eq!(town.work("nux", &format!("{global}; {commit} && cat ran && rm ran")), "ran");
    town.work("nux", &format!("git config core.hooksPath {} && {commit} && rm ran", hooks.display()));
    town.polecat("nux", "d");
    town.work("nux", &format!("{commit} && ! [ -e ran ]"));
}

#[test]
fn nothing_that_a_bead_told_its_git_is_there_for_the_next() {
    let town = Town::cloned();
    town.up("mkdir x y && echo 1 > x/f && echo 1 > y/f && echo prod > config.ini && git add . && git commit -qm more");
    town.fetch();
    town.polecat("nux", "a");
    town.work("nux", "echo mine > kept && git add kept && git stash -q && git branch other");
    town.work("nux", "git update-index --skip-worktree config.ini && echo LOCAL > config.ini");
    town.work("nux", "git update-index --assume-unchanged lines && echo hidden > lines");
    town.work("nux", "echo '*.md' > ../ex && git config core.excludesFile $PWD/../ex && echo doc > NEW.md");
    town.work("nux", "echo '*.log' >> $(git rev-parse --git-path info/exclude) && echo x > a.log");
    town.work("nux", "git remote set-url origin /elsewhere && git remote add evil /evil && git config alias.st status");
    assert_eq!(town.work("nux", "git status --porcelain"), "");
    town.work("nux", "git sparse-checkout set x && ! [ -e y/f ]");

    town.polecat("nux", "b");
    assert_eq!(
        town.work("nux", "cat config.ini y/f; wc -l < lines; ls; git ls-files -v | grep -v '^H' || true"),
        "prod\n1\n5\nconfig.ini\nlines\nx\ny"
    );
    assert_eq!(
        town.work(
            "nux",
            "git remote -v | sort -u | wc -l; git stash list; git branch --list other; git remote get-url origin"
        ),
        format!("2\n{}", town.url())
    );
    assert_ne!(town.by("nux", "git st").code, 0);
    let rescued = town.inside("for r in $(git for-each-ref --format='%(refname)' refs/gt/rescue); do git ls-tree -r --name-only $r; for f in config.ini lines; do git show $r:$f; done; done");
    for found in ["LOCAL", "hidden", "NEW.md", "a.log", "kept", "y/f"] {
        assert!(rescued.lines().any(|line| line == found), "{found} is not in {rescued}");
    }
}

#[test]
fn what_a_bead_had_not_begun_and_what_it_dropped_can_be_found_in_the_clone() {
    let town = Town::cloned();
    town.polecat("nux", "a");
    town.work("nux", "echo x > x && git add . && git commit -qm dropped");
    let dropped = town.work("nux", "git rev-parse HEAD");
    town.work("nux", "git reset -q --hard HEAD~1 && git commit -q --allow-empty -m packed && git repack -adq");
    let packed = town.work("nux", "git rev-parse HEAD");
    town.polecat("nux", "b");
    town.inside(&format!(
        "git cat-file -e {dropped}^{{tree}} && git cat-file -e {packed} && git fsck --connectivity-only"
    ));
    assert_eq!(town.inside("git rev-parse polecat/nux/a"), packed, "the old branch stays where it was");
}

#[test]
fn handing_in_brings_the_commits_to_the_clone() {
    let town = Town::cloned();
    let worktree = town.polecat("nux", "a");
    town.work("nux", "echo x > x && git add . && git commit -qm one");
    let hand_in = || {
        let head = Oid(town.work("nux", "git rev-parse HEAD"));
        assert!(town.inside(&format!("git cat-file -t {} || true", head.0)).is_empty(), "it is the sandbox's alone");
        for _ in 0..2 {
            town.git.hand_in(&worktree, "shop-nux", "polecat/nux/a", &head).unwrap();
            assert_eq!(town.inside("git rev-parse polecat/nux/a"), head.0);
        }
        head
    };
    let first = hand_in();
    town.work("nux", "git commit -q --amend -m other");
    hand_in();
    let kept = town.inside("git for-each-ref --format='%(refname)' refs/gt/rescue");
    assert_eq!(kept, format!("refs/gt/rescue/shop-nux/{}", &first.0[..12]), "what was handed in before stays");
    // A worktree that is removed takes nothing with it.
    town.work("nux", "git commit -q --allow-empty -m last");
    let last = town.work("nux", "git rev-parse HEAD");
    fs_err::remove_dir_all(&worktree).unwrap();
    town.polecat("nux", "b");
    assert_eq!(town.inside("git rev-parse polecat/nux/a"), last);
}

#[test]
fn other_repositories_are_none_of_its_business() {
    let town = Town::cloned();
    town.polecat("nux", "a");
    town.work("nux", "git init -q -b main target/own && cd target/own && git commit -q --allow-empty -m x && git branch b && git tag t && echo x > x && git add x && git stash -q");
}

#[test]
fn submodules_of_relative_urls_are_found_and_kept() {
    let town = Town::cloned();
    must(sh(&town.path("."), "git init -q lib && cd lib && git commit -q --allow-empty -m lib", &[]));
    let allow = "-c protocol.file.allow=always";
    town.up(&format!("git {allow} submodule --quiet add ../lib lib && git commit -qm lib"));
    town.fetch();
    town.polecat("nux", "a");
    let update = format!("git {allow} submodule --quiet update --init");
    town.work("nux", &format!("{update} && cd lib && git checkout -q -b fix && git commit -q --allow-empty -m own"));
    let own = town.work("nux", "git -C lib rev-parse HEAD");
    town.polecat("nux", "b");
    town.work("nux", &format!("{update} && git -C lib cat-file -e {own}"));
    assert_eq!(town.work("nux", "git status --porcelain"), "");
}

#[test]
fn a_value_of_any_shape_survives_the_settings_file() {
    let town = Town::cloned();
    let odd = town.path("odd \"quoted\" \\ # ; name");
    must(sh(&town.path("."), "git clone -q --bare upstream \"$ODD\"", &[("ODD", &odd.display().to_string())]));
    let fetch = gastown_controllers::world::Job::Fetch {
        owner: town.rig.clone(),
        url: odd.display().to_string(),
        secret: None,
        lease: None,
        cause: "test".into(),
        round: 2,
    };
    assert_eq!(town.run(&fetch).0, 0);
    town.polecat("nux", "a");
    assert_eq!(town.work("nux", "git remote get-url origin"), odd.display().to_string());
    town.work("nux", "git commit -q --allow-empty -m x && git fetch -q && git push -q");
}

#[test]
fn what_git_calls_changed_after_a_checkout_is_not_the_agents() {
    let town = Town::cloned();
    town.up("printf 'one\\r\\ntwo\\r\\n' > dos.txt && cp dos.txt dos2.txt && git add . && git commit -qm dos");
    town.up("echo '*.txt text' > .gitattributes && git add .gitattributes && git commit -qm attributes");
    town.fetch();
    town.polecat("nux", "a");
    assert_eq!(town.work("nux", "git status --porcelain"), "");
    // Neither is it in what a careless agent commits.
    town.work("nux", "echo a > a && git add --all && git commit -qm a");
    assert_eq!(town.work("nux", "git diff-tree -r --name-only --no-commit-id HEAD"), "a");
    // Touched, or checked out again: git calls it changed; the content is the same, and nothing is rescued.
    town.work("nux", "touch dos.txt");
    assert_eq!(town.work("nux", "git status --porcelain").trim(), "M dos.txt");
    let unchanged = gastown::world::git::unchanged_by_agent(&town.worktree("nux"));
    assert_eq!(unchanged, [b"dos.txt".to_vec(), b"dos2.txt".to_vec()]);
    let rescued = "git for-each-ref --format='%(refname)' refs/gt/rescue";
    town.polecat("nux", "b");
    assert_eq!(town.inside(rescued), "");

    // What somebody writes is seen, rescued, and can be committed, even of the same length.
    town.work("nux", "printf 'one\\r\\nTWO\\r\\n' > dos.txt");
    assert_eq!(town.work("nux", "git status --porcelain").trim(), "M dos.txt");
    let unchanged = gastown::world::git::unchanged_by_agent(&town.worktree("nux"));
    assert_eq!(unchanged, [b"dos2.txt".to_vec()]);
    town.polecat("nux", "c");
    let rescued = town.inside(rescued);
    assert_eq!(town.inside(&format!("git diff-tree -r --name-only --no-commit-id {rescued}")), "dos.txt");
    assert_eq!(town.work("nux", "git status --porcelain && cat dos.txt"), "one\r\ntwo\r");
}

#[test]
fn worktrees_that_an_agent_made_for_its_helpers_are_rescued_and_gone() {
    let town = Town::cloned();
    let worktree = town.polecat("nux", "a");
    let (inner, outer) = (worktree.join("target/helper"), town.path("helper"));
    for path in [&inner, &outer] {
        let add =
            format!("git worktree add -q --detach {0} && cd {0} && git commit -q --allow-empty -m own", path.display());
        town.work("nux", &format!("{add} && echo edit >> lines && echo new > new"));
    }
    let commits = town
        .work("nux", &format!("git -C {} rev-parse HEAD; git -C {} rev-parse HEAD", inner.display(), outer.display()));
    town.polecat("nux", "b");
    for commit in commits.lines() {
        let refs = town.inside(&format!("git for-each-ref --format='%(refname)' --contains {commit} refs/gt/rescue"));
        assert!(refs.lines().count() >= 1, "{commit} is kept");
    }
    let rescued = town.inside("git for-each-ref --format='%(refname)' refs/gt/rescue");
    let edits = rescued.lines().filter(|name| town.inside(&format!("git ls-tree --name-only {name}")).contains("new"));
    assert!(edits.count() >= 1, "what was not committed is kept");
    assert!(!inner.exists(), "the next agent does not find it");
    assert!(outer.join("new").exists(), "what is elsewhere is left alone");
    assert!(!town.work("nux", "git worktree list").contains("helper"));
}

#[test]
fn work_in_places_that_no_ref_and_no_file_shows_is_rescued() {
    let conflict = "echo b1 > lines; git commit -qam b1; git switch -qc other HEAD~1; echo b2 > lines; git commit -qam b2; echo precious-$N > keep";
    let with_keep = format!("echo x > keep; git add keep; git commit -qm keep; {conflict}");
    let helper = "git worktree add -q --detach ../helper-$N; cd ../helper-$N; echo precious-$N > keep; git add keep; git commit -qm h; cd -; rm -rf ../helper-$N";
    let cases = [
        ("autostash", format!("{with_keep}; git rebase -q --autostash $GT_BRANCH || true")),
        ("merge", format!("{with_keep}; git merge -q --autostash $GT_BRANCH || true")),
        ("helper", helper.to_owned()),
        ("ref", "git checkout -q --detach; echo precious-$N > keep; git add keep; git commit -qm w; git update-ref refs/worktree/keep HEAD; git switch -q -".to_owned()),
        ("forced", "mkdir target; echo precious-$N > target/keep; git add -f target/keep".to_owned()),
        ("staged", "echo precious-$N > keep; git add keep; rm keep".to_owned()),
    ];
    let town = Town::cloned();
    for (n, (name, script)) in cases.iter().enumerate() {
        let polecat = format!("nux{n}");
        town.polecat(&polecat, "a");
        town.work(&polecat, &format!("N={n}; {script}"));
        town.polecat(&polecat, "b");
        let refs = town.inside(&format!("git for-each-ref --format='%(refname)' refs/gt/rescue/shop-{polecat}"));
        let is_kept = |name: &str| {
            let all = town.inside(&format!("git rev-list {name} --not refs/gt/target/main"));
            all.lines().any(|it| town.inside(&format!("git grep -l precious-{n} {it} -- || true")).contains("keep"))
        };
        assert!(refs.lines().any(is_kept), "{name}: {refs}");
        assert_eq!(town.work(&polecat, "git status --porcelain"), "", "{name}");
    }
}
