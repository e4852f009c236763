package org.skinedge.core

import kotlin.system.exitProcess
import org.junit.internal.TextListener
import org.junit.runner.JUnitCore

/** Runs test classes as JUnit's own runner does, and says how many were skipped, which that does not. */
fun main(classes: Array<String>) {
    val core = JUnitCore()
    core.addListener(TextListener(System.out))
    val result = core.run(*classes.map { Class.forName(it) }.toTypedArray())
    val passed = result.runCount - result.failureCount - result.assumptionFailureCount
    val skipped = result.ignoreCount + result.assumptionFailureCount
    println("$passed passed, ${result.failureCount} failed, $skipped skipped")
    exitProcess(if (result.wasSuccessful()) 0 else 1)
}
