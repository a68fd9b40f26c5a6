"""`steward train`: starts trainers as processes of their own, watches them, keeps what they made."""
