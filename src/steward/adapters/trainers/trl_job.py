"""The process of the trainer `trl`: loads, shows what is trained on, trains, writes the model."""

from __future__ import annotations

import copy
import gc
import importlib
import math
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import msgspec

from steward.adapters.trainers.architecture import ModelShape, count_steps, reshape_model
from steward.adapters.trainers.process import EventWriter, convert_parameters, read_lines, run_process
from steward.adapters.trainers.trl import TrlParameters
from steward.core.errors import InputError, Unavailable
from steward.core.excerpts import cut_reason
from steward.core.extras import install_command
from steward.core.training import RenderedText, TrainingEvent, TrainingJob

gc.disable()  # 3,500 modules are no garbage: looking for some takes a fifth of the time that loading them takes
try:
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
except ModuleNotFoundError as missing:
    sys.exit(f"trainer trl needs {missing.name}; {install_command('train')}")
gc.freeze()
gc.enable()

_RENDERED: Final = 3


class _Reporter(TrainerCallback):
    """Turns what transformers' trainer says into events."""

    def __init__(self, events: EventWriter) -> None:
        self._events = events

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **rest: Any) -> None:
        numbers = {name: float(value) for name, value in (logs or {}).items() if isinstance(value, int | float)}
        loss = numbers.pop("loss", None)
        self._events.write(
            TrainingEvent(type="metric", step=state.global_step, steps=state.max_steps, loss=loss, metrics=numbers)
        )

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        self._events.write(TrainingEvent(type="progress", step=state.global_step, steps=state.max_steps))

    def on_save(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        path = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        self._events.write(TrainingEvent(type="checkpoint", step=state.global_step, path=str(path)))


def train(job: TrainingJob, events: EventWriter) -> None:
    """:raises InputError: rows or parameters that cannot be trained on"""
    parameters: TrlParameters = convert_parameters(job.parameters, TrlParameters, "trl")
    hf_logging: Any = importlib.import_module("transformers.utils.logging")
    hf_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    torch.set_num_threads(parameters.threads)
    torch.manual_seed(job.seed)
    model, tokenizer = _load(job.base)
    if parameters.is_new:
        model = _make_new(model, parameters)
    rows = read_lines(job.train)
    if not rows:
        raise InputError(f"{job.train}: no row")
    if parameters.budget_tflop:
        parameters = _spend_budget(parameters, model, tokenizer, rows, events)
    trainer = _make_trainer(job, parameters, model, tokenizer, rows, events)
    if job.method == "sft":
        _show_trained(trainer.train_dataset, len(rows), tokenizer, events)
    try:
        trainer.train(resume_from_checkpoint=job.resume_from)
    except torch.OutOfMemoryError as error:
        raise Unavailable("the GPU's memory is used up; lower batch_size or max_length, or train with LoRA") from error
    _save(job, parameters, trainer.model, tokenizer)


def _show_trained(tokenized: Any, rows: int, tokenizer: Any, events: EventWriter) -> None:
    """Three rows as the model sees them. :raises InputError: it would not learn to stop, or learn nothing"""
    if len(tokenized) < rows:
        lost = f"{rows - len(tokenized):,} of {rows:,} rows have no token to learn within max_length and were left out"
        events.write(TrainingEvent(type="message", level="warning", text=lost))
    if not len(tokenized):
        raise InputError("no row has a token to learn within max_length; raise it")
    first = [tokenized[at] for at in range(min(_RENDERED, len(tokenized)))]
    has_end = all(_has_end(row, tokenizer) for row in first)
    rendered = tuple(render_tokens(row, tokenizer) for row in first)
    events.write(TrainingEvent(type="rendered", rows=rendered, has_end=has_end))
    if not has_end:
        raise InputError(
            "the end of turn is not among the trained tokens, so the model would not learn to stop; check the chat "
            "template, and max_length if rows are cut"
        )


def _load(base: str) -> tuple[Any, Any]:
    if Path(base).suffix == ".gguf":
        from steward.adapters.trainers.gguf_llama import read_llama

        return read_llama(Path(base))
    try:
        return AutoModelForCausalLM.from_pretrained(base, dtype="auto"), AutoTokenizer.from_pretrained(base)
    except (OSError, ValueError) as error:
        reason = cut_reason(error)
        raise InputError(f"base {base}: {reason}; expected a folder that transformers reads, or a GGUF file") from error


def _make_new(model: Any, parameters: TrlParameters) -> Any:
    """A model of the wanted shape, otherwise like `model`, with new weights. :raises InputError: no such shape"""
    config = copy.deepcopy(model.config)
    try:
        base = ModelShape(
            layers=config.num_hidden_layers, width=config.hidden_size, heads=config.num_attention_heads,
            kv_heads=config.num_key_value_heads, wide=config.intermediate_size,
        )  # fmt: skip
    except AttributeError as error:
        raise InputError(f"base: a {config.model_type} is shaped otherwise ({error}); expected a Llama") from error
    shape = reshape_model(base, parameters.layers, parameters.width, parameters.heads)
    config.num_hidden_layers, config.hidden_size, config.intermediate_size = shape.layers, shape.width, shape.wide
    config.num_attention_heads, config.num_key_value_heads = shape.heads, shape.kv_heads
    config.head_dim = shape.width // shape.heads
    if getattr(config, "layer_types", None):
        config.layer_types = [config.layer_types[0]] * shape.layers
    return type(model)(config)


def _spend_budget(
    parameters: TrlParameters, model: Any, tokenizer: Any, rows: list[dict[str, Any]], events: EventWriter
) -> TrlParameters:
    """The same, with the steps that the budget pays for."""
    assert parameters.budget_tflop is not None
    chats = ([*row["prompt"], *row["completion"]] for row in rows)
    lengths = [len(tokenizer.apply_chat_template(chat, return_dict=False)) for chat in chats]
    a_row = sum(min(length, parameters.max_length) for length in lengths) / len(lengths)
    size = sum(weight.numel() for weight in model.parameters())
    steps = count_steps(parameters.budget_tflop, size, a_row * parameters.batch_size * parameters.gradient_accumulation)
    text = f"{steps:,} steps: what {parameters.budget_tflop:g} x 10^12 operations pay for with {size:,} parameters"
    events.write(TrainingEvent(type="message", text=text))
    return msgspec.structs.replace(parameters, max_steps=steps)


def _make_trainer(
    job: TrainingJob,
    parameters: TrlParameters,
    model: Any,
    tokenizer: Any,
    rows: list[dict[str, Any]],
    events: EventWriter,
) -> Any:
    trl: Any = importlib.import_module("trl")
    config_class, trainer_class = {
        "sft": (trl.SFTConfig, trl.SFTTrainer),
        "dpo": (trl.DPOConfig, trl.DPOTrainer),
        "kto": (trl.KTOConfig, trl.KTOTrainer),
    }[job.method]
    settings = _list_settings(job, parameters, len(rows))
    if job.method == "sft":
        settings["completion_only_loss"] = True
    else:
        settings["beta"] = parameters.beta
    reference: dict[str, Any] = {}
    if job.method != "sft" and not parameters.rank:  # with LoRA the model without its adapter is the reference
        reference["ref_model"] = copy.deepcopy(model)
    return trainer_class(
        model=model, args=config_class(**settings), train_dataset=Dataset.from_list(rows), processing_class=tokenizer,
        peft_config=_make_lora(parameters), callbacks=[_Reporter(events)], **reference,
    )  # fmt: skip


def _list_settings(job: TrainingJob, parameters: TrlParameters, rows: int) -> dict[str, Any]:
    use_cpu = parameters.cpu if parameters.cpu is not None else not torch.cuda.is_available()
    a_step = parameters.batch_size * parameters.gradient_accumulation
    steps = (
        parameters.max_steps if parameters.max_steps > 0 else math.ceil(parameters.epochs * math.ceil(rows / a_step))
    )
    rate = parameters.learning_rate or (2e-4 if parameters.rank else 1e-3 if parameters.is_new else 2e-5)
    return dict(
        output_dir=job.checkpoints, num_train_epochs=parameters.epochs, max_steps=parameters.max_steps,
        learning_rate=rate, per_device_train_batch_size=parameters.batch_size,
        gradient_accumulation_steps=parameters.gradient_accumulation, max_length=parameters.max_length,
        weight_decay=parameters.weight_decay, warmup_steps=round(parameters.warmup * steps),
        lr_scheduler_type=parameters.schedule, save_steps=parameters.save_steps or max(1, steps // 5),
        save_total_limit=2, logging_steps=1, seed=job.seed, report_to=[], disable_tqdm=True, use_cpu=use_cpu,
        bf16=not use_cpu and torch.cuda.is_bf16_supported(), gradient_checkpointing=parameters.gradient_checkpointing,
        dataloader_num_workers=0, logging_nan_inf_filter=False,
    )  # fmt: skip


def _make_lora(parameters: TrlParameters) -> Any:
    if not parameters.rank:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=parameters.rank, lora_alpha=parameters.lora_alpha or 2 * parameters.rank,
        lora_dropout=parameters.lora_dropout, target_modules="all-linear", task_type="CAUSAL_LM",
    )  # fmt: skip


def render_tokens(row: dict[str, Any], tokenizer: Any) -> tuple[RenderedText, ...]:
    """A tokenized row as texts that are trained on and texts that are not, in their order."""
    parts: list[tuple[list[int], bool]] = []
    for token, trained in _mark_tokens(row):
        if not parts or parts[-1][1] != trained:
            parts.append(([], trained))
        parts[-1][0].append(token)
    return tuple(RenderedText(tokenizer.decode(ids), trained) for ids, trained in parts)


def _has_end(row: dict[str, Any], tokenizer: Any) -> bool:
    """The end of turn, or the end of the text, is learned."""
    ends = _list_ends(tokenizer)
    return any(trained and token in ends for token, trained in _mark_tokens(row))


def _mark_tokens(row: dict[str, Any]) -> list[tuple[int, bool]]:
    """Tokens, and whether each counts in the loss: -100 is what PyTorch's cross-entropy leaves out."""
    if "labels" in row:
        trained = [label != -100 for label in row["labels"]]
    else:
        trained = [bool(mark) for mark in row["completion_mask"]]
    return list(zip(row["input_ids"], trained, strict=True))


def _list_ends(tokenizer: Any) -> set[int]:
    marks = ("<|im_end|>", "<|eot_id|>", "<|end|>", "<end_of_turn>", "<|endoftext|>")
    known = {tokenizer.convert_tokens_to_ids(mark) for mark in marks if mark in tokenizer.get_vocab()}
    return ({tokenizer.eos_token_id} | known) - {None}


def _save(job: TrainingJob, parameters: TrlParameters, model: Any, tokenizer: Any) -> None:
    """A LoRA adapter as its folder; a whole model as its folder; one that came as GGUF as GGUF."""
    folder = Path(job.artefacts)
    is_gguf = Path(job.base).suffix == ".gguf"
    if parameters.rank and (parameters.merge or is_gguf):
        model = model.merge_and_unload()
    if not is_gguf:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return
    from steward.adapters.trainers.gguf_llama import write_llama

    with tempfile.TemporaryDirectory(dir=Path(job.checkpoints)) as saved:
        model.to(torch.float32).save_pretrained(saved)
        tokenizer.save_pretrained(saved)
        write_llama(Path(saved), folder / "model.gguf", parameters.gguf_type, f"{Path(job.base).stem} {job.id}")


if __name__ == "__main__":
    run_process(train)
