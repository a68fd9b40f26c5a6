"""Better models from what people said: releases that a test can stop."""
