"""What a configuration refuses, and how it says so."""

from typing import Any

import pytest
from attrs.exceptions import FrozenInstanceError

from ackmodel import RULES, BadConfig, Clause, CommitPolicy, Config, Level, UnknownRule, rule_named
from ackmodel.spec.invariants import STATE, STEP
from ackmodel.spec.liveness import PROPERTIES
from ackmodel.spec.vacuity import AT_STAKE


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"messages": 0}, "messages must be from 1 to 64, not 0"),
        ({"messages": 65}, "messages must be from 1 to 64, not 65"),
        ({"deliveries": 0}, "deliveries must be from 1 to 64, not 0"),
        ({"power_losses": -1}, "power_losses must be from 0 to 64, not -1"),
        ({"sync_failures": 1.0}, "sync_failures must be from 0 to 64, not 1.0"),
        ({"process_crashes": True}, "process_crashes must be from 0 to 64, not True"),
        ({"degrade_after": 0}, "degrade_after must be from 1 to 64, not 0"),
        ({"level": "ram"}, "Level must be one of 'memory', 'page-cache', 'disk', not 'ram'"),
        ({"logs": 2}, "2 logs for 1 messages: set messages to at least as many as logs"),
        ({"logs": 5, "messages": 5}, "logs must be from 1 to 4, not 5"),
        ({"degrade_after": 3, "refuse_after": 2}, r"refuse_after \(2\) comes before degrade_after \(3\)"),
        ({"merge_buffer": True}, "a merge buffer answers from memory: set level to 'memory', not 'page-cache'"),
        ({"careless": 1}, "careless must be True or False, not 1"),
        ({"sync_error": "never"}, "SyncError must be one of 'once', 'each', 'late', not 'never'"),
        ({"failed_page": "torn"}, "FailedPage must be one of 'kept', 'reverted', not 'torn'"),
        ({"commit": "both"}, "CommitPolicy must be one of 'ack', 'checkpoint', not 'both'"),
    ],
)
def test_bad_settings_name_the_setting_and_the_range(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BadConfig, match=message):
        Config(**settings)


def test_settings_may_be_given_as_text_or_value() -> None:
    assert Config(level="disk", commit="ack") == Config(level=Level.DISK, commit=CommitPolicy.ACK)


def test_settings_by_name_offer_the_nearest() -> None:
    assert Config.of({"messages": 2, "rules": {"commit-in-order": False}}).without == {"commit-in-order"}
    with pytest.raises(BadConfig, match=r"no setting 'sync_failure'; did you mean 'sync_failures'.*\?"):
        Config.of({"sync_failure": 1})
    with pytest.raises(BadConfig, match=r"no setting 'zzz'; they are: messages, deliveries, .*rules"):
        Config.of({"zzz": 1})


def test_dropping_a_rule_drops_what_its_settings_rule_out() -> None:
    config = Config(messages=3, logs=3, level="memory", merge_buffer=True)
    assert config.dropping(rule_named("answer-after-flush")).merge_buffer is False
    assert config.dropping(rule_named("commit-in-order")).logs == 2
    assert config.dropping(rule_named("close-hands-over")).merge_buffer is True


def test_an_unknown_rule_offers_near_names_or_all_of_them() -> None:
    with pytest.raises(UnknownRule, match="did you mean 'commit-in-order'"):
        Config(rules={"commit-in-ordr": False})
    with pytest.raises(UnknownRule, match=r"the rules are: answer-after-write, .*degrade-after-failures"):
        Config(rules={"zzz": True})


def test_a_rule_given_as_true_stays_on() -> None:
    config = Config(rules={"commit-in-order": True, "commit-after-flush": False})
    assert config.without == {"commit-after-flush"}
    assert config.keeps(rule_named("commit-in-order"))
    assert not config.keeps(rule_named("commit-after-flush"))


def test_dropping_a_rule_keeps_the_others_off_and_takes_its_settings() -> None:
    rule = rule_named("offset-file-is-atomic")
    config = Config(level="disk", rules={"commit-in-order": False}).dropping(rule)
    assert config.without == {"commit-in-order", "offset-file-is-atomic"}
    assert (config.messages, config.power_losses, config.level) == (2, 1, Level.DISK)


def test_a_configuration_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Config().messages = 2  # type: ignore[misc]


def test_the_initial_state_has_the_budget_and_the_messages() -> None:
    shared, messages = Config(messages=3, sync_timeouts=2, write_failures=1).initial()
    assert [message.index for message in messages] == [0, 1, 2]
    assert (shared.budget.sync_timeouts, shared.budget.write_failures, shared.budget.power_losses) == (2, 1, 0)


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_every_rule_says_what_it_is_and_breaks_a_judged_clause(rule: Any) -> None:
    assert rule.says.endswith(".")
    assert rule.source
    assert rule.falls == rule.breaks + rule.stalls
    assert rule.falls
    assert set(rule.breaks) <= set(STATE) | set(STEP)
    assert set(rule.stalls) <= set(PROPERTIES)
    assert RULES[rule.name] is rule


def test_every_clause_falls_without_some_rule() -> None:
    not_in_the_model = {Clause.UNKNOWN_HAS_A_CAUSE, Clause.WRITTEN_ONCE, Clause.SPACE_IS_BOUNDED}
    assert {clause for rule in RULES.values() for clause in rule.falls} == set(AT_STAKE)
    assert set(Clause) - set(AT_STAKE) == not_in_the_model
    assert {clause for rule in RULES.values() for clause in rule.breaks} >= set(STATE) | set(STEP)
    assert {clause for rule in RULES.values() for clause in rule.stalls} == set(PROPERTIES)
