"""What several capabilities know of text: words, sentences, lexicons."""
