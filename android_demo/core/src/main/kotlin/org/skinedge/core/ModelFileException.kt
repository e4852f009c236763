package org.skinedge.core

/** A model file that cannot be used. The message is one line: what is wrong, and what to do. */
class ModelFileException(message: String, cause: Throwable? = null) : Exception(message, cause)
