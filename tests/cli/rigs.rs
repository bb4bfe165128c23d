//! `gt rig add`: what it finds out about real repositories, and what it refuses to guess.

use std::path::PathBuf;

use gastown::world::exec::Exec;

use crate::harness::{Folder, RIG, git};

/// A repository with files, committed.
fn repository(folder: &Folder, name: &str, files: &[(&str, &str)]) -> PathBuf {
    let dir = folder.path(name);
    fs_err::create_dir_all(&dir).unwrap();
    for (file, text) in files {
        fs_err::write(dir.join(file), text).unwrap();
    }
    git(&dir, &["init", "--quiet"]);
    git(&dir, &["add", "--all"]);
    git(&dir, &["commit", "--quiet", "--allow-empty", "-m", "first"]);
    dir
}

#[test]
fn a_working_copy_is_declared_as_it_is() {
    let folder = Folder::town();
    let dir = repository(&folder, "My_Shop", &[("Cargo.toml", "[package]\n"), (".gitignore", ".env*\n")]);
    fs_err::write(dir.join(".env.local"), "X=1\n").unwrap();
    insta::assert_snapshot!(folder.gt(&["rig", "add", "../My_Shop"]).all(), @r#"
    # yaml-language-server: $schema=../.gt.schema.json
    apiVersion: gastown.io/v1alpha1
    kind: Rig
    metadata:
      name: my-shop
    spec:
      repo:
        url: [dir]/My_Shop
        branch: main
      workspace:
        copy: # what git does not hold, and worktrees need
        - ".env.local"
        copyFrom: [dir]/My_Shop
      merge:
        strategy: Push # what is verified goes to the branch
        whenCheckedOut: Update # the working copy follows, as long as it has no uncommitted changes
        verify: # what must pass before anything lands
        - name: test
          run: cargo test --quiet
    ! note: `main` is checked out in [dir]/My_Shop: with Push its files are updated as work lands, while it has no uncommitted changes
    ! `script` works on it, which runs commands and reads no words: neither `claude` nor `codex` is on PATH; --runtime NAME chooses another
    ! wrote [dir]/home/rigs/my-shop.yaml
    ! next: git add rigs/my-shop.yaml && git commit -m 'Rig my-shop' rigs/my-shop.yaml, and the source `town` makes it live
    exit 0
    "#);
    insta::assert_snapshot!(folder.gt(&["rig", "add", "../My_Shop"]).err, @"
    note: `main` is checked out in [dir]/My_Shop: with Push its files are updated as work lands, while it has no uncommitted changes
    rigs/my-shop.yaml says so already
    next: git add rigs/my-shop.yaml && git commit -m 'Rig my-shop' rigs/my-shop.yaml, and the source `town` makes it live
    ");
    insta::assert_snapshot!(folder.gt(&["apply", "-f", "rigs/my-shop.yaml"]).all(), @"
    runtime/script created
    formula/work created
    rig/my-shop created
    ! the town is down, so nothing moves yet: `gt up`
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["rig", "add", "../My_Shop", "--strategy", "Branch"]).all(), @"
    ! error: [dir]/home/rigs/my-shop.yaml is there already, and says otherwise
    ! hint: edit it, remove it, or say --name for another rig
    exit 4
    ");
}

#[test]
fn with_branch_nothing_is_said_of_push() {
    let folder = Folder::town();
    repository(&folder, "shop", &[("Cargo.toml", "[package]\n")]);
    let done = folder.gt(&["rig", "add", "../shop", "--strategy", "Branch"]);
    assert_eq!(done.code, 0, "{}", done.all());
    assert!(done.out.contains("strategy: Branch") && !done.err.contains("Push"), "{}", done.all());
}

#[test]
fn submodules_are_made_in_each_worktree_and_before_each_verification() {
    let folder = Folder::town();
    let files = [("Cargo.toml", "[package]\n"), (".gitmodules", "[submodule \"x\"]\n"), (".gitignore", ".env*\n")];
    let dir = repository(&folder, "shop", &files);
    fs_err::write(dir.join(".env"), "X=1\n").unwrap();
    let done = folder.gt(&["rig", "add", "../shop"]);
    assert_eq!(done.code, 0, "{}", done.all());
    let (_, spec) = done.out.split_once("    branch: main\n").unwrap();
    insta::assert_snapshot!(spec, @r#"
    workspace:
      setup: # in each new worktree
      - git submodule update --init --recursive
      copy: # what git does not hold, and worktrees need
      - ".env"
      copyFrom: [dir]/shop
    merge:
      strategy: Push # what is verified goes to the branch
      whenCheckedOut: Update # the working copy follows, as long as it has no uncommitted changes
      verify: # what must pass before anything lands
      - name: submodules
        run: git submodule update --init --recursive
      - name: test
        run: cargo test --quiet
    "#);
}

#[test]
fn a_bare_repository_is_looked_into() {
    let folder = Folder::town();
    let dir = repository(&folder, "shop", &[("Makefile", "test:\n\ttrue\n")]);
    git(&folder.path(""), &["clone", "--quiet", "--bare", dir.to_str().unwrap(), "bare.git"]);
    // A clone has an origin; a bare repository of its own has none.
    git(&folder.path("bare.git"), &["remote", "remove", "origin"]);
    insta::assert_snapshot!(folder.gt(&["rig", "add", "../bare.git", "--name", "shop"]).all(), @"
    # yaml-language-server: $schema=../.gt.schema.json
    apiVersion: gastown.io/v1alpha1
    kind: Rig
    metadata:
      name: shop
    spec:
      repo:
        url: [dir]/bare.git
      merge:
        strategy: Push # what is verified goes to the branch
        verify: # what must pass before anything lands
        - name: test
          run: make test
    ! `script` works on it, which runs commands and reads no words: neither `claude` nor `codex` is on PATH; --runtime NAME chooses another
    ! wrote [dir]/home/rigs/shop.yaml
    ! next: git add rigs/shop.yaml && git commit -m 'Rig shop' rigs/shop.yaml, and the source `town` makes it live
    exit 0
    ");
}

#[test]
fn a_bare_clone_is_where_work_lands_and_not_what_it_was_cloned_from() {
    let folder = Folder::town();
    let dir = repository(&folder, "shop", &[("Makefile", "test:\n\ttrue\n")]);
    git(&folder.path(""), &["clone", "--quiet", "--bare", dir.to_str().unwrap(), "bare.git"]);
    insta::assert_snapshot!(folder.gt(&["rig", "add", "../bare.git", "--branch", "main"]).all(), @"
    # yaml-language-server: $schema=../.gt.schema.json
    apiVersion: gastown.io/v1alpha1
    kind: Rig
    metadata:
      name: bare
    spec:
      repo:
        url: [dir]/bare.git
        branch: main
      merge:
        strategy: Push # what is verified goes to the branch
        verify: # what must pass before anything lands
        - name: test
          run: make test
    ! note: [dir]/bare.git was cloned from [dir]/shop; work lands in [dir]/bare.git, and not there
    ! `script` works on it, which runs commands and reads no words: neither `claude` nor `codex` is on PATH; --runtime NAME chooses another
    ! wrote [dir]/home/rigs/bare.yaml
    ! next: git add rigs/bare.yaml && git commit -m 'Rig bare' rigs/bare.yaml, and the source `town` makes it live
    exit 0
    ");
    git(&folder.path(""), &["clone", "--quiet", "--mirror", dir.to_str().unwrap(), "mirror.git"]);
    let done = folder.gt(&["rig", "add", "../mirror.git"]);
    assert!(done.out.contains("/mirror.git") && done.err.contains("until it is next updated"), "{}", done.all());
    git(&folder.path("bare.git"), &["symbolic-ref", "HEAD", "refs/heads/trunk"]);
    insta::assert_snapshot!(folder.gt(&["rig", "add", "../bare.git", "--name", "other"]).all(), @"
    ! error: the HEAD of [dir]/bare.git names `trunk`, which is not there
    ! hint: say --branch NAME, such as --branch main
    exit 4
    ");
}

#[test]
fn an_origin_that_somebody_works_in_is_said_to_refuse() {
    let folder = Folder::town();
    let dir = repository(&folder, "shop", &[("Makefile", "test:\n\ttrue\n")]);
    git(&folder.path(""), &["clone", "--quiet", dir.to_str().unwrap(), "copy"]);
    let done = folder.gt(&["rig", "add", "../copy"]);
    assert_eq!(done.code, 0, "{}", done.all());
    let refuses = "note: `main` is checked out in [dir]/shop: with Push it is refused there";
    assert!(done.err.contains(refuses), "{}", done.all());
    let done = folder.gt(&["rig", "add", "../copy", "--name", "other", "--branch", "main", "--strategy", "Branch"]);
    assert_eq!(done.code, 0, "{}", done.all());
}

#[test]
fn a_working_copy_with_an_origin_stands_for_its_origin() {
    let folder = Folder::town();
    let dir = repository(&folder, "shop", &[("go.mod", "module shop\n")]);
    git(&dir, &["remote", "add", "origin", "git@example.invalid:acme/shop.git"]);
    insta::assert_snapshot!(folder.gt(&["rig", "add", "../shop"]).all(), @"
    # yaml-language-server: $schema=../.gt.schema.json
    apiVersion: gastown.io/v1alpha1
    kind: Rig
    metadata:
      name: shop
    spec:
      repo:
        url: git@example.invalid:acme/shop.git
      merge:
        strategy: Branch # what is verified is left as a branch for people to merge
        verify: # what must pass before anything lands
        - name: test
          run: go test ./...
    ! note: [dir]/shop has an origin, so work lands there: git@example.invalid:acme/shop.git
    ! note: could not reach `git@example.invalid:acme/shop.git`: [git says]; the rig waits until this works without a question: git ls-remote git@example.invalid:acme/shop.git
    ! `script` works on it, which runs commands and reads no words: neither `claude` nor `codex` is on PATH; --runtime NAME chooses another
    ! wrote [dir]/home/rigs/shop.yaml
    ! next: git add rigs/shop.yaml && git commit -m 'Rig shop' rigs/shop.yaml, and the source `town` makes it live
    exit 0
    ");
}

#[test]
fn nothing_is_guessed() {
    let folder = Folder::town();
    repository(&folder, "shop", &[("README", "hello\n")]);
    insta::assert_snapshot!(folder.gt(&["rig", "add", "../shop"]).all(), @"
    ! error: what must pass before work lands? nothing here says how it is tested
    ! hint: say --verify 'COMMAND', or --allow-unverified to let work land unchecked
    exit 4
    ");
    insta::assert_snapshot!(folder.gt(&["rig", "add", "https://example.invalid/shop.git"]).all(), @"
    ! error: what must pass before work lands? it is not on this machine, so how it is tested cannot be seen
    ! hint: say --verify 'COMMAND', or --allow-unverified to let work land unchecked
    exit 4
    ");
    insta::assert_snapshot!(folder.gt(&["rig", "add", "https://example.invalid/shop.git", "--verify", "make check"]).all(), @"
    # yaml-language-server: $schema=../.gt.schema.json
    apiVersion: gastown.io/v1alpha1
    kind: Rig
    metadata:
      name: shop
    spec:
      repo:
        url: https://example.invalid/shop.git
      merge:
        strategy: Branch # what is verified is left as a branch for people to merge
        verify: # what must pass before anything lands
        - name: verify
          run: make check
    ! note: could not reach `https://example.invalid/shop.git`: [git says]; the rig waits until this works without a question: git ls-remote https://example.invalid/shop.git
    ! `script` works on it, which runs commands and reads no words: neither `claude` nor `codex` is on PATH; --runtime NAME chooses another
    ! wrote [dir]/home/rigs/shop.yaml
    ! next: git add rigs/shop.yaml && git commit -m 'Rig shop' rigs/shop.yaml, and the source `town` makes it live
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["rig", "add", "../shop", "--allow-unverified", "--name", "free"]).out, @"
    # yaml-language-server: $schema=../.gt.schema.json
    apiVersion: gastown.io/v1alpha1
    kind: Rig
    metadata:
      name: free
    spec:
      repo:
        url: [dir]/shop
        branch: main
      merge:
        strategy: Push # what is verified goes to the branch
        whenCheckedOut: Update # the working copy follows, as long as it has no uncommitted changes
        allowUnverified: true # nothing is checked before it lands
    ");
}

#[test]
fn what_is_no_repository_is_said() {
    let folder = Folder::town();
    fs_err::create_dir(folder.path("plain")).unwrap();
    insta::assert_snapshot!(folder.gt(&["rig", "add", "../plain"]).all(), @"
    ! error: [dir]/plain is no git repository
    ! hint: git -C [dir]/plain init
    exit 4
    ");
    insta::assert_snapshot!(folder.gt(&["rig", "add", "../nowhere"]).all(), @"
    ! error: there is no folder `[dir]/nowhere`
    exit 3
    ");
    insta::assert_snapshot!(folder.gt(&["rig", "add", "shop"]).all(), @"
    ! error: there is no folder `shop`
    ! hint: give a path to a repository, or an address such as git@host:team/shop.git
    exit 3
    ");
    fs_err::create_dir(folder.path("empty")).unwrap();
    git(&folder.path("empty"), &["init", "--quiet"]);
    insta::assert_snapshot!(folder.gt(&["rig", "add", "../empty"]).all(), @"
    ! error: [dir]/empty has no commit yet
    ! hint: make a first commit
    exit 4
    ");
}

#[test]
fn what_polecats_will_not_see_is_told() {
    let folder = Folder::town();
    let dir = repository(&folder, "shop", &[("Cargo.toml", "[package]\n")]);
    git(&dir, &["checkout", "--quiet", "-b", "idea"]);
    fs_err::write(dir.join("new.rs"), "\n").unwrap();
    insta::assert_snapshot!(folder.gt(&["rig", "add", "../shop"]).err, @"
    note: `idea` is checked out, so work lands there: say --branch main if you mean `main`
    note: [dir]/shop has uncommitted changes: polecats see only what is committed
    note: `idea` is checked out in [dir]/shop: with Push its files are updated as work lands, while it has no uncommitted changes
    `script` works on it, which runs commands and reads no words: neither `claude` nor `codex` is on PATH; --runtime NAME chooses another
    wrote [dir]/home/rigs/shop.yaml
    next: git add rigs/shop.yaml && git commit -m 'Rig shop' rigs/shop.yaml, and the source `town` makes it live
    ");
    // With an origin, that is where work begins; a local one is reached without a word.
    git(&folder.path(""), &["clone", "--quiet", dir.to_str().unwrap(), "copy"]);
    let copy = folder.path("copy");
    git(&copy, &["checkout", "--quiet", "-b", "other"]);
    fs_err::write(copy.join("new.rs"), "\n").unwrap();
    insta::assert_snapshot!(folder.gt(&["rig", "add", "../copy", "--name", "copy"]).err, @"
    note: [dir]/copy has an origin, so work lands there: [dir]/shop
    note: `idea` is checked out in [dir]/shop: with Push it is refused there, until merge.whenCheckedOut is Update or another branch is checked out
    note: `other` is checked out in [dir]/copy; work begins from and lands on the origin's own branch, `idea`: say --branch NAME for another
    note: [dir]/copy has uncommitted changes: polecats see only what is pushed to its origin
    `script` works on it, which runs commands and reads no words: neither `claude` nor `codex` is on PATH; --runtime NAME chooses another
    wrote [dir]/home/rigs/copy.yaml
    next: git add rigs/copy.yaml && git commit -m 'Rig copy' rigs/copy.yaml, and the source `town` makes it live
    ");
}

#[test]
fn a_path_with_a_blank_is_a_path() {
    let folder = Folder::town();
    let dir = repository(&folder, "My #1 Projects/shop", &[("Makefile", "test:\n\ttrue\n")]);
    insta::assert_snapshot!(folder.gt(&["rig", "add", "../My #1 Projects/shop"]).all(), @r#"
    # yaml-language-server: $schema=../.gt.schema.json
    apiVersion: gastown.io/v1alpha1
    kind: Rig
    metadata:
      name: shop
    spec:
      repo:
        url: "[dir]/My #1 Projects/shop"
        branch: main
      merge:
        strategy: Push # what is verified goes to the branch
        whenCheckedOut: Update # the working copy follows, as long as it has no uncommitted changes
        verify: # what must pass before anything lands
        - name: test
          run: make test
    ! note: `main` is checked out in [dir]/My #1 Projects/shop: with Push its files are updated as work lands, while it has no uncommitted changes
    ! `script` works on it, which runs commands and reads no words: neither `claude` nor `codex` is on PATH; --runtime NAME chooses another
    ! wrote [dir]/home/rigs/shop.yaml
    ! next: git add rigs/shop.yaml && git commit -m 'Rig shop' rigs/shop.yaml, and the source `town` makes it live
    exit 0
    "#);
    assert_eq!(folder.gt(&["apply", "-f", "rigs/shop.yaml"]).code, 0);
    git(&folder.path(""), &["clone", "--quiet", dir.to_str().unwrap(), "copy"]);
    let copy = folder.gt(&["rig", "add", "../copy", "--name", "copy"]);
    assert!(copy.out.contains("[dir]/My #1 Projects/shop"), "{}", copy.all());
    let file = format!("file://{}", dir.display());
    let by_address = folder.gt(&["rig", "add", &file, "--name", "file", "--verify", "make test"]);
    assert_eq!(by_address.code, 0, "{}", by_address.all());
    // A line break is none of it, nor is a blank in an address.
    for url in ["host:my shop", "https://h/my shop", "/a\\nb", "-o x", "\\t/x"] {
        let rig = RIG.replace("./repos/shop.git", &format!("\"{url}\""));
        assert_eq!(folder.gt_with(&["apply", "-f", "-"], &rig).code, 4, "{url}");
    }
}

#[test]
fn a_branch_that_only_the_origin_has_is_found_there() {
    let folder = Folder::town();
    let origin = repository(&folder, "origin", &[("Makefile", "test:\n\ttrue\n")]);
    git(&origin, &["branch", "release"]);
    git(&folder.path(""), &["clone", "--quiet", origin.to_str().unwrap(), "shop"]);
    let shop = folder.path("shop");
    git(&shop, &["checkout", "--quiet", "-b", "idea"]);
    git(&shop, &["branch", "--quiet", "-D", "main"]);
    for branch in ["main", "release"] {
        let done = folder.gt(&["rig", "add", "../shop", "--name", branch, "--branch", branch]);
        assert_eq!(done.code, 0, "{}", done.all());
        assert!(
            done.out.contains(&format!("branch: {branch}")) && done.out.contains("run: make test"),
            "{}",
            done.all()
        );
    }
    insta::assert_snapshot!(folder.gt(&["rig", "add", "../shop", "--branch", "nope"]).all(), @"
    ! error: [dir]/shop has no branch `nope`
    ! hint: if its origin has it: git -C [dir]/shop fetch origin
    exit 3
    ");
    // Without an origin, what was fetched from elsewhere is no branch of it.
    git(&shop, &["remote", "rename", "origin", "upstream"]);
    insta::assert_snapshot!(folder.gt(&["rig", "add", "../shop", "--branch", "main"]).all(), @"
    ! error: [dir]/shop has no branch `main`
    exit 3
    ");
}

#[test]
fn what_git_can_read_is_looked_into() {
    let folder = Folder::town();
    let shop = repository(&folder, "shop", &[("Makefile", "test:\n\ttrue\n")]);
    let from = format!("file://{}", shop.display());
    git(&folder.path(""), &["clone", "--quiet", "--depth=1", &from, "shallow"]);
    git(&shop, &["config", "uploadpack.allowFilter", "true"]);
    git(&folder.path(""), &["clone", "--quiet", "--filter=blob:none", &from, "partial"]);
    git(&shop, &["worktree", "add", "--quiet", "../linked"]);
    for name in ["shallow", "partial", "linked"] {
        let done = folder.gt(&["rig", "add", &format!("../{name}"), "--name", name]);
        assert!(done.code == 0 && done.out.contains("run: make test"), "{}", done.all());
    }
    let inside = folder.path("shop/.git");
    assert_eq!(folder.gt(&["rig", "add", inside.to_str().unwrap(), "--name", "git"]).code, 0);
    insta::assert_snapshot!(folder.gt(&["rig", "add", "../shop/.git/refs"]).all(), @"
    ! error: [dir]/shop/.git/refs is inside a repository, not its root
    ! hint: give the repository's root
    exit 4
    ");
}

#[test]
fn objects_named_by_another_hash_are_told() {
    let folder = Folder::town();
    let shop = folder.path("shop");
    fs_err::create_dir(&shop).unwrap();
    git(&shop, &["init", "--quiet", "--object-format=sha256"]);
    git(&shop, &["commit", "--quiet", "--allow-empty", "-m", "first"]);
    insta::assert_snapshot!(folder.gt(&["rig", "add", "../shop", "--verify", "true"]).all(), @"
    ! error: [dir]/shop cannot be a rig: its objects are named by SHA-256, and a town reads those named by SHA-1 only
    ! hint: copy it into one: git init --bare --object-format=sha1 NEW && git -C OLD fast-export --all | git -C NEW fast-import
    exit 4
    ");
    // Also where only the remote says so.
    let address = format!("file://{}", shop.display());
    insta::assert_snapshot!(folder.gt(&["rig", "add", &address, "--verify", "true"]).all(), @"
    ! error: file://[dir]/shop cannot be a rig: its objects are named by SHA-256, and a town reads those named by SHA-1 only
    ! hint: copy it into one: git init --bare --object-format=sha1 NEW && git -C OLD fast-export --all | git -C NEW fast-import
    exit 4
    ");
    assert!(!folder.path("home/rigs").exists());
    // The hint is one that works.
    git(&folder.path(""), &["init", "--quiet", "--bare", "--object-format=sha1", "new.git"]);
    let copied = format!(
        "git -C {} fast-export --all | git -C {} fast-import --quiet",
        shop.display(),
        folder.path("new.git").display()
    );
    assert!(Exec::new("sh").args(["-c", &copied]).run().unwrap().ok());
    assert_eq!(folder.gt(&["rig", "add", "../new.git", "--verify", "true"]).code, 0);
}

#[test]
fn a_branch_is_one_that_git_allows() {
    let folder = Folder::town();
    let shop = repository(&folder, "shop", &[]);
    git(&shop, &["branch", "--", "#1/ü+(x)'y\""]);
    let done = folder.gt(&["rig", "add", "../shop", "--verify", "true", "--branch", "#1/ü+(x)'y\""]);
    assert_eq!(done.code, 0, "{}", done.all());
    assert_eq!(folder.gt(&["apply", "-f", "rigs/shop.yaml"]).code, 0);
    insta::assert_snapshot!(folder.gt(&["rig", "add", "../shop", "--name", "b", "--verify", "true", "--branch", "a.lock"]).all(), @"
    ! error: git allows no branch `a.lock`
    ! hint: `a.lock` ends with `.lock`
    exit 4
    ");
    insta::assert_snapshot!(folder.gt_with(&["apply", "-f", "-"], &RIG.replace("branch: main", "branch: a b")).all(), @"
    ! error[rule]: git allows no branch of this name
    !  --> -:9:13
    !   |
    ! 9 |     branch: a b
    !   |             ^^^
    !   |
    !   = help: it contains a blank
    !
    ! error: nothing was applied: there is a mistake in it
    exit 4
    ");
}

#[test]
fn an_agent_that_is_here_works_on_a_new_rig() {
    let folder = Folder::town();
    repository(&folder, "shop", &[("Makefile", "test:\n\ttrue\n")]);
    let rig = |more: &[&str]| folder.gt(&[&["rig", "add", "../shop"], more].concat());
    assert!(!rig(&["--name", "before"]).out.contains("runtime"));
    folder.has_agent("codex");
    insta::assert_snapshot!(rig(&["--strategy", "Branch"]).all(), @"
    # yaml-language-server: $schema=../.gt.schema.json
    apiVersion: gastown.io/v1alpha1
    kind: Rig
    metadata:
      name: shop
    spec:
      repo:
        url: [dir]/shop
        branch: main
      runtime: codex # the agent that works here
      merge:
        strategy: Branch # what is verified is left as a branch for people to merge
        verify: # what must pass before anything lands
        - name: test
          run: make test
    ! `codex` works on it, as it is on PATH: [dir]/bin/codex; --runtime NAME chooses another
    ! note: `codex` runs any command as you, without asking, and this town does not let it yet: write `spec: { trust: Full }` in town.yaml, then commit it
    ! wrote [dir]/home/rigs/shop.yaml
    ! next: git add rigs/shop.yaml && git commit -m 'Rig shop' rigs/shop.yaml, and the source `town` makes it live
    ! or:   gt up && gt sling 'WHAT TO DO' shop   (makes it live too)
    exit 0
    ");
    // The first of the two is preferred; one that is declared stays as it is.
    folder.has_agent("claude");
    let after = rig(&["--name", "after"]);
    assert!(after.out.contains("runtime: claude") && after.err.contains("/bin/claude"), "{}", after.all());
    for name in ["before", "after"] {
        let again = rig(&["--name", name]);
        assert!(again.code == 0 && again.err.contains("says so already"), "{}", again.all());
        assert_eq!(again.out.contains("runtime"), name == "after", "{}", again.all());
    }
    let said = rig(&["--name", "said", "--runtime", "script"]);
    assert!(said.out.contains("runtime: script") && !said.err.contains("claude"), "{}", said.all());
    assert_eq!(rig(&["--name", "before", "--runtime", "script"]).code, 4);
    // A town that names one has chosen.
    folder.write("town.yaml", &folder.read("town.yaml").replace("spec: {}", "spec: { runtime: script, trust: Full }"));
    assert!(!rig(&["--name", "chosen"]).out.contains("runtime"));
    let trusted = rig(&["--name", "trusted", "--runtime", "claude"]);
    assert!(!trusted.err.contains("does not let it"), "{}", trusted.all());
}
