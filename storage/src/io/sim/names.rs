//! The directories: what names reads see, what names are durable, and the changes between the two.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path};

use super::rng::Rng;

pub(super) type DirId = u64;
type Tree = BTreeMap<DirId, BTreeMap<String, Node>>;

pub(super) const ROOT: DirId = 0;

/// What a name stands for. Numbers are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    File(u64),
    Dir(DirId),
}

/// A directory and a name in it, which need not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) dir: DirId,
    pub(super) name: String,
}

/// One change as a journaling file system would commit it: whole or not at all. A creation only
/// adds, a removal only removes, a rename does both.
#[derive(Debug)]
struct Change {
    node: Node,
    removed: Option<Place>,
    added: Option<Place>,
}

impl Change {
    fn touches(&self, dir: DirId) -> bool {
        self.places().any(|place| place.dir == dir)
    }

    fn places(&self) -> impl Iterator<Item = &Place> {
        self.removed.iter().chain(self.added.iter())
    }

    /// Whether this change cannot have happened without the earlier one.
    fn needs(&self, earlier: &Change) -> bool {
        if self.node == earlier.node {
            return true;
        }
        if self
            .places()
            .any(|place| earlier.places().any(|other| other == place))
        {
            return true;
        }
        match (self, earlier) {
            // A directory is removed when it is empty.
            (
                Change {
                    node: Node::Dir(dir),
                    added: None,
                    ..
                },
                _,
            ) => earlier.touches(*dir),
            // What existed is moved only into a directory that exists, or it would be lost by being
            // moved.
            (
                Change {
                    removed: Some(_),
                    added: Some(to),
                    ..
                },
                Change {
                    node: Node::Dir(dir),
                    added: Some(_),
                    ..
                },
            ) => to.dir == *dir,
            _ => false,
        }
    }

    fn apply(&self, tree: &mut Tree) {
        if let Some(place) = &self.removed {
            if let Some(entries) = tree.get_mut(&place.dir) {
                entries.remove(&place.name);
            }
            if let (Node::Dir(dir), None) = (self.node, &self.added) {
                tree.remove(&dir);
            }
        }
        if let Some(place) = &self.added {
            if let Node::Dir(dir) = self.node {
                tree.entry(dir).or_default();
            }
            tree.entry(place.dir)
                .or_default()
                .insert(place.name.clone(), self.node);
        }
    }
}

#[derive(Debug)]
pub(super) struct Names {
    visible: Tree,
    durable: Tree,
    pending: Vec<Change>,
    next_dir: DirId,
}

impl Names {
    pub(super) fn new() -> Names {
        let tree = Tree::from([(ROOT, BTreeMap::new())]);
        Names {
            visible: tree.clone(),
            durable: tree,
            pending: Vec::new(),
            next_dir: ROOT + 1,
        }
    }

    pub(super) fn get(&self, place: &Place) -> Option<Node> {
        self.visible.get(&place.dir)?.get(&place.name).copied()
    }

    /// What a path stands for.
    pub(super) fn find(&self, path: &Path) -> io::Result<Node> {
        match self.place(path)? {
            None => Ok(Node::Dir(ROOT)),
            Some(place) => self
                .get(&place)
                .ok_or_else(|| io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn find_dir(&self, path: &Path) -> io::Result<DirId> {
        match self.find(path)? {
            Node::Dir(dir) => Ok(dir),
            Node::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// The place of a path, whose parent must exist; `None` for the root.
    pub(super) fn place(&self, path: &Path) -> io::Result<Option<Place>> {
        let names = components(path)?;
        let Some((name, parents)) = names.split_last() else {
            return Ok(None);
        };
        let mut dir = ROOT;
        for parent in parents {
            match self.visible[&dir].get(parent) {
                Some(Node::Dir(next)) => dir = *next,
                Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                None => return Err(io::ErrorKind::NotFound.into()),
            }
        }
        Ok(Some(Place {
            dir,
            name: name.clone(),
        }))
    }

    pub(super) fn entries(&self, dir: DirId) -> &BTreeMap<String, Node> {
        &self.visible[&dir]
    }

    pub(super) fn create_file(&mut self, place: Place, inode: u64) {
        self.change(Change {
            node: Node::File(inode),
            removed: None,
            added: Some(place),
        });
    }

    pub(super) fn create_dir(&mut self, place: Place) -> DirId {
        let dir = self.next_dir;
        self.next_dir += 1;
        self.change(Change {
            node: Node::Dir(dir),
            removed: None,
            added: Some(place),
        });
        dir
    }

    pub(super) fn remove(&mut self, place: Place, node: Node) {
        self.change(Change {
            node,
            removed: Some(place),
            added: None,
        });
    }

    pub(super) fn rename(&mut self, from: Place, to: Place, node: Node) {
        self.change(Change {
            node,
            removed: Some(from),
            added: Some(to),
        });
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.visible);
        self.pending.push(change);
    }

    /// Whether `dir` is `above` or lies under it.
    pub(super) fn is_under(&self, dir: DirId, above: DirId) -> bool {
        dir == above
            || self.visible[&above].values().any(|node| match node {
                Node::Dir(child) => self.is_under(dir, *child),
                Node::File(_) => false,
            })
    }

    /// Makes the changes of one directory durable, and those they need.
    pub(super) fn sync(&mut self, dir: DirId) {
        let mut chosen: Vec<bool> = self.pending.iter().map(|c| c.touches(dir)).collect();
        for later in (0..chosen.len()).rev() {
            if chosen[later] {
                for (earlier, chosen) in chosen[..later].iter_mut().enumerate() {
                    *chosen |= self.pending[later].needs(&self.pending[earlier]);
                }
            }
        }
        let mut rest = Vec::new();
        for (change, chosen) in self.pending.drain(..).zip(chosen) {
            if chosen {
                change.apply(&mut self.durable);
            } else {
                rest.push(change);
            }
        }
        self.pending = rest;
    }

    /// What the medium holds after a power loss.
    pub(super) fn crash(&mut self, rng: &mut Rng) {
        let survival = rng.survival();
        let mut lost: Vec<Change> = Vec::new();
        for change in self.pending.drain(..) {
            if lost.iter().any(|earlier| change.needs(earlier)) || !survival.draw(rng) {
                lost.push(change);
            } else {
                change.apply(&mut self.durable);
            }
        }
        let (dirs, _) = reachable(&self.durable);
        self.durable.retain(|dir, _| dirs.contains(dir));
        self.visible = self.durable.clone();
    }

    /// The files that reads see.
    pub(super) fn visible_files(&self) -> BTreeSet<u64> {
        reachable(&self.visible).1
    }

    /// The files that have a name, or may have one again after a power loss.
    pub(super) fn possible_files(&self) -> BTreeSet<u64> {
        let mut files = self.visible_files();
        for entries in self.durable.values() {
            files.extend(entries.values().filter_map(|node| match node {
                Node::File(inode) => Some(*inode),
                Node::Dir(_) => None,
            }));
        }
        files.extend(self.pending.iter().filter_map(|change| match change.node {
            Node::File(inode) => Some(inode),
            Node::Dir(_) => None,
        }));
        files
    }
}

fn reachable(tree: &Tree) -> (BTreeSet<DirId>, BTreeSet<u64>) {
    let (mut dirs, mut files) = (BTreeSet::from([ROOT]), BTreeSet::new());
    let mut todo = vec![ROOT];
    while let Some(dir) = todo.pop() {
        for node in tree
            .get(&dir)
            .into_iter()
            .flat_map(|entries| entries.values())
        {
            match node {
                Node::Dir(child) => {
                    dirs.insert(*child);
                    todo.push(*child);
                }
                Node::File(inode) => {
                    files.insert(*inode);
                }
            }
        }
    }
    (dirs, files)
}

/// The names of a path. Absolute and relative paths both start at the root.
pub(super) fn components(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) => names.push(name.to_string_lossy().into_owned()),
            Component::ParentDir | Component::Prefix(_) => {
                return Err(io::ErrorKind::InvalidInput.into());
            }
        }
    }
    Ok(names)
}
