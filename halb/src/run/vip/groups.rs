//! States of groups as wholes, for those who are told of them: pure. As in keepalived, a group has a
//! state once all of its members have it.

use std::collections::HashMap;
use std::sync::Arc;

use halb_vrrp::settings::{Group, Settings};

use crate::status::vrrp::State;

/// What was last told of members and groups. Bounded by the configuration.
#[derive(Debug, Default)]
pub(super) struct Groups {
    members: HashMap<Arc<str>, State>,
    groups: HashMap<Arc<str>, State>,
}

impl Groups {
    /// A virtual router has this state now.
    pub(super) fn note(&mut self, member: &Arc<str>, to: State) {
        self.members.insert(Arc::clone(member), to);
    }

    /// A member has this state now. What the group was before and is now, if that differs.
    pub(super) fn change(
        &mut self,
        group: &Group,
        member: &Arc<str>,
        to: State,
    ) -> Option<(State, State)> {
        self.note(member, to);
        if group.members.iter().any(|member| self.members.get(member) != Some(&to)) {
            return None;
        }
        let from = self.groups.insert(Arc::clone(&group.name), to).unwrap_or(State::Initialize);
        (from != to).then_some((from, to))
    }

    /// Only what one of these settings names is left.
    pub(super) fn keep(&mut self, settings: &[&Settings]) {
        let instances = settings.iter().flat_map(|settings| &settings.instances);
        self.members.retain(|name, _| instances.clone().any(|one| one.name == *name));
        let groups = settings.iter().flat_map(|settings| &settings.groups);
        self.groups.retain(|name, _| groups.clone().any(|group| group.name == *name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use State::{Active, Backup, Fault, Initialize};

    fn group() -> Group {
        Group { name: "gateway".into(), members: vec!["inside".into(), "outside".into()] }
    }

    #[test]
    fn a_group_has_changed_once_all_of_its_members_have() {
        let mut groups = Groups::default();
        let story = [
            ("inside", Backup, None),
            ("outside", Backup, Some((Initialize, Backup))),
            ("inside", Active, None),
            ("outside", Active, Some((Backup, Active))),
            ("outside", Backup, None),
            ("outside", Active, None),
            ("outside", Fault, None),
            ("inside", Fault, Some((Active, Fault))),
            ("outside", Backup, None),
            ("inside", Backup, Some((Fault, Backup))),
            ("inside", Initialize, None),
            ("outside", Initialize, Some((Backup, Initialize))),
            ("outside", Initialize, None),
        ];
        for (number, (member, to, expected)) in story.into_iter().enumerate() {
            assert_eq!(groups.change(&group(), &member.into(), to), expected, "step {number}");
        }
    }

    #[test]
    fn what_no_settings_name_is_forgotten() {
        let mut groups = Groups::default();
        for member in ["inside", "outside"] {
            groups.change(&group(), &member.into(), Active);
        }
        groups.note(&"alone".into(), Active);
        let settings =
            |groups| Settings { instances: Vec::new(), groups, realtime: None, freeze_limit: None };
        groups.keep(&[&settings(Vec::new()), &settings(vec![group()])]);
        assert!(groups.members.is_empty() && groups.groups.len() == 1);
        groups.keep(&[&settings(Vec::new())]);
        assert!(groups.groups.is_empty());
    }
}
