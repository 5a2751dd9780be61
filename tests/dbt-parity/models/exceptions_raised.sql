{{ exceptions.raise_compiler_error("no such plant: " ~ var('since')) }}
