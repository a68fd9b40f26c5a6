"""The commands: parse, call one function, render its record. One file each."""
