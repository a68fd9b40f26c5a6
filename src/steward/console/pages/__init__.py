"""One module per page: a function `page(…)` that takes what the page shows and returns its endpoints."""
