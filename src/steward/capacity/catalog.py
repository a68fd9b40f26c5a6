"""What models and accelerators are: the shipped tables, a user's config.json or row, and names as people write them.

Decides which row a name means and how sure that is. Does not know prices, engines or measured speeds.
The tables carry a source for each row; parameter counts are computed from the architecture and tested against the
published ones.
"""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec

from steward.core.errors import InputError, UnknownName

TABLES: Final = Path(__file__).parent / "tables"
MatchKind = Literal["exact", "alias", "nearest", "size", "file"]  # from sure to a guess; file: the user's own


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A transformer's shape, as config.json has it. Zero: does not apply."""

    name: str
    aliases: str = ""  # "a|b", further names
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int  # of dense layers
    vocab: int
    tied: bool = False  # one matrix for embedding and output
    gated: bool = True  # three matrices in the feed-forward part, else two
    max_position: int = 0
    experts: int = 0
    experts_per_token: int = 0
    moe_intermediate: int = 0
    shared_intermediate: int = 0  # width of all shared experts together
    dense_layers: int = 0  # first layers without experts
    moe_every: int = 1
    sliding_window: int = 0  # tokens
    sliding_layers: int = 0
    mla_kv_rank: int = 0
    mla_rope: int = 0
    mla_nope: int = 0
    mla_v: int = 0
    mla_q_rank: int = 0
    index_dim: int = 0  # width of a sparse-attention indexer's keys, one for each layer (DeepSeek Sparse Attention)
    attention_layers: int = 0  # layers with attention; 0: all
    kv_layers: int = 0  # of these, layers with a KV cache of their own; 0: all of them
    attention_extra: int = 0  # parameters of an attention layer beside its projections
    ffn_layers: int = 0  # layers with a feed-forward part; 0: all
    mixer_layers: int = 0  # layers with a recurrent mixer (Mamba, linear attention, convolution)
    mixer_params: int = 0  # of one of these
    state_bytes: int = 0  # that one of these keeps for each sequence
    encoder_gib: float = 0.0  # an encoder of pictures: its weights and its peak while the engine profiles it, in GiB
    lookup_params: int = 0  # further embeddings, of which a token takes a row (Gemma 3n)
    precision: str = ""  # that the weights are published in; "": 16 bit
    not_read: tuple[str, ...] = ()  # fields of the configuration that look like sizes and are not understood
    published_params_b: float = 0.0  # billions, as its authors state; 0: not stated
    source: str = ""

    @property
    def moe_layers(self) -> int:
        return (self.blocks - self.dense_layers) // self.moe_every if self.experts else 0

    @property
    def blocks(self) -> int:
        """Feed-forward parts."""
        return self.ffn_layers or self.layers

    @property
    def attentions(self) -> int:
        """Layers with attention."""
        return self.attention_layers or self.layers

    @property
    def caches(self) -> int:
        """Layers that keep a KV cache."""
        return self.kv_layers or self.attentions

    @property
    def embedding_params(self) -> int:
        """Input and output embeddings; one where they are tied."""
        return self.vocab * self.hidden * (1 if self.tied else 2)

    @property
    def attention_params(self) -> int:
        """Projections of one layer."""
        if self.mla_kv_rank:
            width = self.heads * (self.mla_nope + self.mla_rope)
            query = self.mla_q_rank * (self.hidden + width) if self.mla_q_rank else self.hidden * width
            latent = self.hidden * (self.mla_kv_rank + self.mla_rope)
            return (
                query
                + latent
                + self.heads * (self.mla_kv_rank * (self.mla_nope + self.mla_v) + self.mla_v * self.hidden)
            )
        return 2 * self.hidden * self.head_dim * (self.heads + self.kv_heads) + self.attention_extra

    @property
    def expert_params(self) -> int:
        """One routed expert."""
        return (3 if self.gated else 2) * self.hidden * self.moe_intermediate

    @property
    def dense_block_params(self) -> int:
        """All layers without routed experts: attention, mixers, dense feed-forward parts, shared experts, routers."""
        per = (3 if self.gated else 2) * self.hidden
        moe = self.moe_layers * (per * self.shared_intermediate + self.hidden * self.experts)
        mixing = self.attentions * self.attention_params + self.mixer_layers * self.mixer_params
        return mixing + (self.blocks - self.moe_layers) * per * self.intermediate + moe

    @property
    def params(self) -> int:
        routed = self.moe_layers * self.experts * self.expert_params
        return self.dense_block_params + routed + self.embedding_params + self.lookup_params

    @property
    def active_params(self) -> int:
        """That one token is multiplied with, the output embedding included."""
        routed = self.moe_layers * self.experts_per_token * self.expert_params
        return self.dense_block_params + routed + self.vocab * self.hidden


class Accelerator(msgspec.Struct, frozen=True, kw_only=True):
    """An accelerator. Rates are dense (without sparsity). None: not known or not supported."""

    name: str
    aliases: str = ""
    vendor: str = ""
    arch: str = ""
    bf16_tflops: float  # 16-bit matrix rate
    fp8_tflops: float | None = None
    int8_tops: float | None = None
    fp4_tflops: float | None = None
    memory_gb: float  # nominal, 1e9 bytes
    memory_gib_visible: float | None = None  # as the driver reports it
    bandwidth_gb_s: float
    link_gb_s: float | None = None  # to its peers, per direction
    link: str = ""
    tdp_w: float | None = None
    source: str = ""

    @property
    def memory_gib(self) -> float:
        """What an engine sees. Where the driver's figure is not known: nominal, less the 1.5 % that drivers keep."""
        return self.memory_gib_visible or self.memory_gb * 1e9 / 2**30 * 0.985

    @property
    def is_cpu(self) -> bool:
        return self.vendor == "CPU"

    @property
    def is_mig(self) -> bool:
        """A part of a divided GPU; parts do not talk to each other."""
        return " MIG " in self.name


Record = TypeVar("Record", Model, Accelerator)


class ModelMatch(msgspec.Struct, frozen=True):
    """A model a name was resolved to, and how."""

    model: Model
    how: MatchKind


@functools.cache
def list_models() -> tuple[Model, ...]:
    return tuple(_read_table(TABLES / "models.csv", Model))


@functools.cache
def list_accelerators() -> tuple[Accelerator, ...]:
    return tuple(_read_table(TABLES / "gpus.csv", Accelerator))


def _read_table(path: Path, kind: type[Record]) -> list[Record]:
    """:raises InputError: a row that is not one, by its line"""
    records = []
    with path.open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file), 2):
            cells = {key: value for key, value in row.items() if key and value}
            try:
                records.append(msgspec.convert(cells, kind, strict=False))
            except msgspec.ValidationError as error:
                needed = "name, memory_gb, bandwidth_gb_s, bf16_tflops"
                raise InputError(f"{path}:{number}: {error}; a row needs at least {needed}") from error
    return records


# -- names -------------------------------------------------------------------------------------------

_NOISE: Final = frozenset(
    re.findall(
        r"\S+",
        "instruct chat hf it base preview dynamic quantized meta nvidia ai the model text pt v gguf rlhf final turbo "
        "fp8 fp16 bf16 f16 bfloat16 float16 int8 int4 awq gptq marlin fp4 nvfp4 mxfp4 w4a16 w8a8 w8a16 w4a8 "
        "q4 q5 q6 q8 k m s 4bit 8bit bit mixed eagle kv block tp exp te 2501 2503 2506 2507 0.1 0.2 0.3 sglang vllm "
        "trtllm",
    )
)
_DRIVER_WORDS: Final = frozenset(
    re.findall(
        r"\S+",
        "nvidia amd intel tesla instinct geforce hbm2 hbm2e hbm3 hbm3e gpu gpus "
        "accelerator oam tensor core server edition",
    )
)
_FAMILY: Final = re.compile(r"[a-z]+|\d+(?:\.\d+)?(?:x\d+(?:\.\d+)?)?[a-z]?\d*")


def normalize_model_name(name: str) -> str:
    """A name without its organisation, its fine-tuning and its precision.

    >>> normalize_model_name("meta-llama/Meta-Llama-3.1-8B-Instruct-FP8"), normalize_model_name("LLaMA v2 70B")
    ('llama-3.1-8b', 'llama-2-70b')
    """
    text = name.strip().split("/")[-1].lower().replace("_", "-")
    text = re.sub(r"(?<=[a-z])-?v(?=\d)", "-", text)  # v2, v0.1
    text = re.sub(r"\b(?:w\d+a\d+|nvfp4|mxfp4|fp8|fp4|bf16|fp16|int[48]|q\d(?:-[0k])?(?:-[msl])?)\b", " ", text)
    text = re.sub(r"\bv?0\.[123]\b", " ", text)
    text = re.sub(r"(?<=\d)p(?=\d)", ".", text)  # llama3p1
    words = [word for word in re.findall(_FAMILY, text) if word not in _NOISE]
    return "-".join(words)


def normalize_accelerator_name(name: str) -> str:
    """
    >>> [normalize_accelerator_name(name) for name in ("NVIDIA H100 80GB HBM3", "A100-SXM4-80GB")]
    ['h100-80gb', 'a100-sxm-80gb']
    """
    text = re.sub(r"[^a-z0-9.]+", "-", name.lower().replace("gib", "gb"))
    text = re.sub(r"\bsxm\d\b", "sxm", text)
    text = re.sub(r"(?<=\d)-gb\b", "gb", text)
    text = re.sub(r"^\d+-?x-?(?=[a-z])|(?<=[a-z0-9])x\d$", "", text)  # 8x H100, H100x8
    text = re.sub(r"\.(?:\d*x?large|medium|metal)\b", "", text)  # g5.xlarge
    words = [word for word in text.split("-") if word and word not in _DRIVER_WORDS]
    return "-".join(words)


def find_model(name: str) -> ModelMatch:
    """A model of the shipped table by its name.

    :raises UnknownName: none; the nearest names are offered
    """
    index = _model_index()
    key = normalize_model_name(name)
    if key in index:
        model = index[key]
        return ModelMatch(model, "exact" if normalize_model_name(model.name) == key else "alias")
    raise UnknownName("model", name, [model.name for model in list_models()] + ["a path of a config.json"])


def find_nearest_model(name: str) -> ModelMatch:
    """For tables of measurements, where a guess is better than none: the known model with the most words in common,
    else of the same size.

    :raises UnknownName: nothing of that size either
    """
    try:
        return find_model(name)
    except UnknownName:
        pass
    match = match_nearest(name, _model_index())
    if match is None:
        raise UnknownName("model", name, [model.name for model in list_models()])
    return match


def match_nearest(name: str, index: Mapping[str, Model]) -> ModelMatch | None:
    """The model of `index`, by normalised name, that shares at least half of the words with `name` and is within 12 %
    of the size it states; else the nearest of that size, within 25 %, of equals one with grouped heads."""
    words = set(normalize_model_name(name).split("-"))
    size = _parse_size_b(name)
    best, most = None, 0.0
    for key, model in index.items():
        other = set(key.split("-"))
        shared = len(words & other) / len(words | other)
        if size is not None and abs(model.params / 1e9 - size) > 0.12 * size:
            continue
        if shared > most:
            best, most = model, shared
    if best is not None and most >= 0.5:
        return ModelMatch(best, "nearest")
    if size is None:
        return None
    close = min(index.values(), key=lambda item: (abs(item.params / 1e9 - size), item.kv_heads == item.heads))
    return ModelMatch(close, "size") if abs(close.params / 1e9 - size) <= 0.25 * size else None


def _parse_size_b(name: str) -> float | None:
    """Billions of parameters a name states: "-70B", "8x7B".

    >>> _parse_size_b("Foo-70B-chat"), _parse_size_b("foo-a3b"), _parse_size_b("Foo-8x7B"), _parse_size_b("smol-360m")
    (70.0, None, 46.7, 0.36)
    """
    if experts := re.search(r"(\d+)x(\d+(?:\.\d+)?)b\b", name.lower()):
        return round(int(experts[1]) * float(experts[2]) * 0.834, 1)  # Mixtral: 46.7 of 56
    match = re.search(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)([bm])(?![a-z0-9])", name.lower())
    return None if match is None else float(match[1]) / (1 if match[2] == "b" else 1000)


@functools.cache
def _model_index() -> dict[str, Model]:
    return _build_index(list_models(), normalize_model_name)


@functools.cache
def _gpu_index() -> dict[str, Accelerator]:
    return _build_index(list_accelerators(), normalize_accelerator_name)


def _build_index(rows: Iterable[Record], key: Callable[[str], str]) -> dict[str, Record]:
    """Names win over aliases."""
    listed = list(rows)
    index = {key(alias): row for row in listed for alias in row.aliases.split("|") if alias}
    return {**index, **{key(row.name): row for row in listed}}


def find_accelerator(name: str, own: Mapping[str, Accelerator] | None = None) -> Accelerator:
    """An accelerator by its name, as vendors, drivers and tables write it. `own` are the user's rows.

    :raises UnknownName: none; the nearest names are offered
    """
    if own and name in own:
        return own[name]
    if profile := _MIG.search(name):
        return _divide(name, profile)
    key, index = normalize_accelerator_name(name), _gpu_index()
    if key in index:
        return index[key]
    compact = key.replace("-", "")
    for known, gpu in index.items():
        if known.replace("-", "") == compact:
            return gpu
    nearest = _find_by_words(set(key.split("-")), _parse_memory_gb(name), index)
    if nearest is None:
        raise UnknownName("GPU", name, [gpu.name for gpu in list_accelerators()] + (sorted(own) if own else []))
    return nearest


def _find_by_words(words: set[str], memory_gb: float | None, index: Mapping[str, Accelerator]) -> Accelerator | None:
    """The card with the most of its words among `words`, where what remains names no other card: a laptop's is not the
    desktop's, and one of another memory is another one, but for Apple's chips, which are sold with several."""
    hits = []
    for known, gpu in index.items():
        own = set(known.split("-"))
        if own <= words and not (words - own) & _OTHER_CARDS:
            if memory_gb is None or abs(gpu.memory_gb - memory_gb) <= 0.12 * memory_gb:
                hits.append((len(own), gpu))
            elif gpu.vendor == "Apple":
                shown = gpu.memory_gib * memory_gb / gpu.memory_gb
                hits.append((len(own), msgspec.structs.replace(gpu, memory_gb=memory_gb, memory_gib_visible=shown)))
    return max(hits, key=lambda hit: hit[0])[1] if hits else None


def _parse_memory_gb(name: str) -> float | None:
    """That a name states; the last letter of a virtual GPU's profile is its kind.

    >>> _parse_memory_gb("RTX 4090 48 GB"), _parse_memory_gb("GRID A100-10C"), _parse_memory_gb("L4")
    (48.0, 10.0, None)
    """
    stated = re.search(r"(?<![\d.])(?:(\d+)[ -]?gi?b\b|(\d\d+)g\b|(\d+)[cq]$)", name.lower())
    return float(next(filter(None, stated.groups()))) if stated else None


_OTHER_CARDS: Final = frozenset(
    [
        "laptop",
        "mobile",
        "notebook",
        "d",
        "xt",
        "xtx",
        "gre",
        "super",
        "ti",
        "nano",
        "nx",
        "cnx",
        "max",
        "q",
        "pro",
        "ultra",
        "x",
        "mini",
    ]
)
_MIG: Final = re.compile(r"[-_ ]*(?:MIG[-_ ]*)?\b([1-7])g\.(\d+)gb(?:\+me)?\b[-_ ]*(?:MIG)?", re.IGNORECASE)


def _divide(name: str, profile: re.Match[str]) -> Accelerator:
    """A MIG device: so many of a GPU's compute slices, and the share of its memory that the profile names.

    Slices and shares: NVIDIA MIG User Guide, "Supported MIG Profiles". Seven compute and eight memory slices on A100,
    H100, H200, B200; four of each on A30 and RTX PRO.
    :raises UnknownName: no such GPU, or none with such a profile
    """
    slices, memory_gb = int(profile[1]), int(profile[2])
    whole = find_accelerator(name[: profile.start()] + name[profile.end() :])
    kin = [gpu for gpu in list_accelerators() if gpu.name.split("-")[0] == whole.name.split("-")[0]]
    for gpu in (whole, *sorted(kin, key=lambda gpu: "PCIe" in gpu.name)):
        total, shares = (4, _QUARTERS) if gpu.name.startswith(("A30", "RTX-PRO")) else (7, _EIGHTHS)
        for share in shares.get(slices, ()):
            if abs(gpu.memory_gb * share - memory_gb) <= 0.12 * memory_gb:
                return _take_share(gpu, f"{slices}g.{memory_gb}gb", slices / total, share)
    raise UnknownName("MIG profile", name, [f"{whole.name} MIG {kind}" for kind in _list_profiles(whole)])


_EIGHTHS: Final = {1: (1 / 8, 2 / 8), 2: (2 / 8,), 3: (4 / 8,), 4: (4 / 8,), 7: (1.0,)}  # of memory, by compute slices
_QUARTERS: Final = {1: (1 / 4,), 2: (2 / 4,), 4: (1.0,)}


def _list_profiles(gpu: Accelerator) -> list[str]:
    return [f"{slices}g.{gpu.memory_gb * shares[0]:.0f}gb" for slices, shares in _EIGHTHS.items()]


def _take_share(gpu: Accelerator, profile: str, compute: float, memory: float) -> Accelerator:
    rates = {
        name: value * compute
        for name in ("bf16_tflops", "fp8_tflops", "int8_tops", "fp4_tflops")
        if (value := getattr(gpu, name)) is not None
    }
    return msgspec.structs.replace(
        gpu,
        name=f"{gpu.name} MIG {profile}",
        aliases="",
        memory_gb=gpu.memory_gb * memory,
        memory_gib_visible=gpu.memory_gib * memory,
        bandwidth_gb_s=gpu.bandwidth_gb_s * memory,
        link_gb_s=None,
        link="",
        tdp_w=None if gpu.tdp_w is None else gpu.tdp_w * compute,
        source=f"{gpu.source}; shares: NVIDIA MIG User Guide",
        **rates,
    )


def read_accelerator_table(path: Path) -> dict[str, Accelerator]:
    """A user's CSV of accelerators, with the columns of the shipped table. :raises InputError: not one"""
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a CSV with the columns of docs/how-to/plan-capacity.md")
    accelerators = {gpu.name: gpu for gpu in _read_table(path, Accelerator)}
    for gpu in accelerators.values():
        for field in ("bf16_tflops", "memory_gb", "bandwidth_gb_s"):
            if not getattr(gpu, field) > 0:
                raise InputError(f"{path}: {gpu.name}: {field} is {getattr(gpu, field)}; expected above 0")
    return accelerators
