"""What every Config stands on: sections, YAML files with the line of each key, errors in plain words."""
