"""What is done to the reference store only: reference targets, the zoo of real bugs, soak, fuzzing, benchmarks."""
