"""Models of tables of real life beside those of scikit-learn."""
