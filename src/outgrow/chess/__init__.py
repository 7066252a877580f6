"""Chess: positions and moves as text, the engine, mining puzzles, the ladder's pretraining corpus."""
