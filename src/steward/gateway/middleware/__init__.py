"""The handlers that wrap a handler, one file each, in the order in which
`workflows/serve/composition.py` lists them:
authenticate, keep_responses, assign, choose_prompt, admit, queue, settle, note_features, capture (as sent), guard,
capture (masked), embed_prompts, apply_prompt, insert_canaries, route, and the call in the middle.

Each is a function that takes its dependencies and returns a wrapper. A request goes down the list and its
answer comes back up, so that `settle`, which stands behind `admit`, writes the admitted record before
anything is dispatched and the settled one when the answer ended, however it ended.
"""

from steward.gateway.middleware.admit import admit
from steward.gateway.middleware.assign import assign
from steward.gateway.middleware.call import call
from steward.gateway.middleware.capture import capture
from steward.gateway.middleware.embed import PromptEmbedder, embed_prompts
from steward.gateway.middleware.features import note_features
from steward.gateway.middleware.guard import guard
from steward.gateway.middleware.identify import identify
from steward.gateway.middleware.keep import keep_responses
from steward.gateway.middleware.passthrough import call_passthrough, guard_passthrough, identify_passthrough
from steward.gateway.middleware.prompt import apply_prompt, choose_prompt, insert_canaries
from steward.gateway.middleware.queue import queue
from steward.gateway.middleware.release_trial import ReleaseTrials
from steward.gateway.middleware.route import route
from steward.gateway.middleware.settle import settle
from steward.gateway.middleware.shadow import Shadows

__all__ = [
    "PromptEmbedder",
    "ReleaseTrials",
    "Shadows",
    "admit",
    "apply_prompt",
    "assign",
    "call",
    "call_passthrough",
    "capture",
    "choose_prompt",
    "embed_prompts",
    "guard",
    "guard_passthrough",
    "identify",
    "identify_passthrough",
    "insert_canaries",
    "keep_responses",
    "note_features",
    "queue",
    "route",
    "settle",
]
