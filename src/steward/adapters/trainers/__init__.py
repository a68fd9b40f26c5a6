"""Trainers: each knows how to start a process that trains (`steward.core.extend.Trainer`)."""
