"""Rules and objectives that users write, in YAML; an empty file means the rules that come with steward."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import yaml

from steward.configuration.validation import validate
from steward.configuration.yaml_lines import check_size
from steward.core.errors import InputError, UnknownName
from steward.core.excerpts import cut_reason
from steward.monitoring.rules import DEFAULT_RULES, AnyRule, BurnRate
from steward.monitoring.slo import SloPlan
from steward.monitoring.slo_config import SloConfig

_EXAMPLE: Final = "rules: [{name: error-burn, kind: burn_rate, objective: 0.99, severity: page}]"


class RuleFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`defaults` keeps the rules that come with steward beside those of the file; one of the same name replaces its."""

    rules: list[AnyRule] = []
    defaults: bool = False
    slos: list[dict[str, object]] = []  # as in steward.yaml; for replays, whose rules then join the others


class RuleSet(msgspec.Struct, frozen=True):
    """What a file says."""

    rules: tuple[AnyRule, ...]
    slos: tuple[SloPlan, ...] = ()


def read_rules(path: Path) -> tuple[AnyRule, ...]:
    """Rules alone, for the live watch, whose objectives stand in steward.yaml.

    :raises InputError: as `read_rule_set`, or a file with objectives
    """
    chosen = read_rule_set(path)
    if chosen.slos:
        raise InputError(f"{path}: slos are for `steward alerts backtest`; move them to steward.yaml")
    return chosen.rules


def read_rule_set(path: Path) -> RuleSet:
    """:raises InputError: no such file, no YAML, an unknown kind or field, or a rule named that does not exist"""
    try:
        text = path.read_text(encoding="utf-8")
        if (root := yaml.compose(text, Loader=yaml.SafeLoader)) is not None:
            check_size(root)
        content = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}; expected a YAML file of rules"
        ) from error
    except RecursionError as error:
        raise InputError(f"{path}: nested too deeply; an alias (*name) may contain itself") from error
    except ValueError as error:
        raise InputError(f"{path}: a value cannot be read ({cut_reason(error)}); quote it if it is text") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if content is None:
        return RuleSet(DEFAULT_RULES)
    try:
        file = msgspec.convert({"rules": content} if isinstance(content, list) else content, RuleFile)
    except msgspec.ValidationError as error:
        raise InputError(f"{path}: {error}; expected for example `{_EXAMPLE}`") from error
    return RuleSet(check_rules(combine(file), str(path)), _read_slos(file, path))


def _read_slos(file: RuleFile, path: Path) -> tuple[SloPlan, ...]:
    """:raises InputError: an objective that steward.yaml would not take either, or two of one name"""
    plans = []
    for number, section in enumerate(file.slos):
        where = f"{path}, slos.{number}"
        plans.append(validate(SloConfig, dict(section), partial(_say_place, where)).plan())
    names = [plan.name for plan in plans]
    if len(set(names)) < len(names):
        raise InputError(f"{path}: two objectives have one name; give each a name of its own")
    return tuple(plans)


def _say_place(where: str, _: str) -> str:
    return where


def combine(file: RuleFile) -> tuple[AnyRule, ...]:
    own = {rule.name for rule in file.rules}
    kept = [rule for rule in DEFAULT_RULES if rule.name not in own] if file.defaults or not file.rules else []
    return (*kept, *file.rules)


def check_rules(rules: tuple[AnyRule, ...], where: str) -> tuple[AnyRule, ...]:
    """The same rules. :raises InputError: two of one name, or one that refers to nothing"""
    names = [rule.name for rule in rules]
    for rule in rules:
        if names.count(rule.name) > 1:
            raise InputError(f"{where}: two rules are named {rule.name!r}; give each a name of its own")
        if rule.needed > rule.looks:
            raise InputError(
                f"{where}: rule {rule.name!r} needs {rule.needed} wrong looks of {rule.looks}; "
                f"expected needed <= looks, such as looks: {rule.needed}"
            )
        if rule.name in rule.inhibited_by:
            raise InputError(f"{where}: rule {rule.name!r} is inhibited by itself; leave its name out of inhibited_by")
        for long, short, _ in rule.pairs if isinstance(rule, BurnRate) else ():
            if short > long:
                raise InputError(
                    f"{where}: rule {rule.name!r} has a pair of {long} and {short} minutes; expected the longer first"
                )
        known = {*names, *(default.name for default in DEFAULT_RULES)}
        for name in rule.inhibited_by:
            if name not in known:
                raise UnknownName("rule", name, known, f"{where}: rule {rule.name!r}, inhibited_by")
    return rules
