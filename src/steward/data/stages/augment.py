"""`augment`: more rows from the ones there are, by small changes that keep the label.

Of each row the seed and the row's number draw whether it is augmented (`rate`) and by which recipe, so every way to cut
the input into batches gives the same rows. The new row has every column of its source, follows the rows of the batch,
and has the id `ID#RECIPE` (`ID#RECIPE.N` from generation 2 on) and the source's number with the bit of this stage's
`generation` set: no other row can have that number (`data/row_ids.py` has the whole scheme). Two augment stages in one
pipeline need different generations. Only what a person wrote is changed: a document, a chat's user turns, a pair's
prompt.

The recipes are those of `text/perturbations.py`; `paraphrase-templates` is its `paraphrase`.
"""

from __future__ import annotations

import random
from typing import Annotated, Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steward.data.row_ids import augmented_row_ids
from steward.data.stage import Entry, Result, get_texts, list_message_columns, rewrite_column
from steward.data.stages.balance import append_rows
from steward.text import perturbations
from steward.text.hashing import mix_bits
from steward.text.perturbations import Change

NAME = "augment"
Recipe = Literal["typos", "case", "paraphrase-templates"]


class Augment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rule is the recipe; `duplicate_of` is the id of the source, `threshold` the rate."""

    recipe: tuple[Recipe, ...] = ("typos", "case", "paraphrase-templates")
    rate: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.1
    seed: int = 0
    generation: Annotated[int, msgspec.Meta(ge=1, le=4)] = 1

    def apply(self, batch: pa.RecordBatch) -> Result:
        rows = batch["row"].to_numpy()
        salt = mix_bits(np.full(1, (self.seed * 8 + self.generation) % (1 << 64), np.uint64))
        random_bits = mix_bits(rows.astype(np.uint64) ^ salt)
        chosen_indexes = np.flatnonzero(random_bits / 2.0**64 < self.rate)
        if not len(chosen_indexes) or not self.recipe:
            return Result(batch)
        sources = batch.take(pa.array(chosen_indexes))
        seeds = mix_bits(random_bits[chosen_indexes]).tolist()
        recipes = [self.recipe[seed % len(self.recipe)] for seed in seeds]
        changed_batch = _change_texts(sources, recipes, seeds)
        differs = pc.not_equal(get_texts(changed_batch), get_texts(sources)).to_numpy(zero_copy_only=False)
        suffix = "" if self.generation == 1 else f".{self.generation}"
        numbers = augmented_row_ids(rows[chosen_indexes], self.generation).tolist()
        entries = [
            Entry(
                row=numbers[index],
                id=f"{source}#{recipes[index]}{suffix}",
                stage=NAME,
                action="add",
                rule=recipes[index],
                threshold=self.rate,
                duplicate_of=source,
            )
            for index, source in enumerate(sources["id"].to_pylist())
            if differs[index]
        ]
        new_rows = changed_batch.filter(pa.array(differs)).cast(batch.schema)
        return Result(append_rows(batch, new_rows, entries), tuple(entries))


def _change_texts(batch: pa.RecordBatch, recipes: list[Recipe], seeds: list[int]) -> pa.RecordBatch:
    def one(row: int, text: str) -> str:
        return _CHANGES[recipes[row]](text, random.Random(seeds[row]))

    if message_columns := list_message_columns(batch):
        name = message_columns[0]  # of a chat the messages, of a pair the prompt
        flat = batch[name].flatten()
        lengths = pc.fill_null(pc.list_value_length(batch[name]), 0).to_numpy()
        owners = np.repeat(np.arange(len(batch)), lengths).tolist()
        roles = flat.field("role").to_pylist()
        return rewrite_column(
            batch,
            name,
            lambda column_texts: [
                one(owner, text) if role == "user" else text
                for owner, role, text in zip(owners, roles, column_texts, strict=True)
            ],
        )
    column = "text" if "text" in batch.schema.names else "prompt"
    at = batch.schema.get_field_index(column)
    column_texts = pc.fill_null(batch[column], "").to_pylist()
    new_texts = pa.array([one(row, text) for row, text in enumerate(column_texts)], batch.schema.field(at).type)
    return batch.set_column(at, batch.schema.field(at), new_texts)


_CHANGES: dict[str, Change] = {
    "typos": perturbations.add_typos,
    "case": perturbations.change_case,
    "paraphrase-templates": perturbations.paraphrase,
}
