"""Capacity planning, a module for each step: name a deployment, size it, forecast, calibrate, validate, watch."""
