"""Approval policies to begin with, one for each level of `steward check`; text for steward.yaml."""

from __future__ import annotations

from typing import Final

from steward.governance.readiness import Level

TEMPLATES: Final[dict[Level, str]] = {
    "prototype": """\
# Whoever may change something does so alone.
approval_policy: {}
""",
    "internal": """\
# A second person sees what answers people.
approval_policy:
  prompts:
    - {kind: approvals}
  releases:
    - {kind: gate}
""",
    "production": """\
# A second person sees every change, and no release begins without a gate.
approval_policy:
  settings:
    - {kind: approvals}
  prompts:
    - {kind: approvals}
  releases:
    - {kind: approvals}
    - {kind: gate}
  waivers:
    - {kind: approvals}
""",
    "regulated": """\
# Two others see what can harm people, and the audit log was verified lately.
approval_policy:
  settings:
    - {kind: approvals, count: 2}
    - {kind: audit, within: 30d}
  prompts:
    - {kind: approvals, count: 2}
    - {kind: gate}
  releases:
    - {kind: approvals, count: 2}
    - {kind: gate}
    - {kind: audit, within: 30d}
  waivers:
    - {kind: approvals, count: 2}
  cards:
    - {kind: approvals}
""",
}
