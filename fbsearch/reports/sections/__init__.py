"""The page's sections: of each a function that prepares what it shows, and its template."""
