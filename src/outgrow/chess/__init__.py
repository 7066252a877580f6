"""Chess: positions and moves as text, the engine, mining of puzzles, and the ladder's pretraining corpus."""
