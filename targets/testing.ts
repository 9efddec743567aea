/** What tests of an app or of a target of one's own can use (`hardpack/testing`): the contract suite and the fake target. */

export { CONTRACT_CHECKS, type ContractOptions, type ContractResult, contractSuite } from './contract.ts'
export {
  type CreateFault,
  type FakeCall,
  type FakeOptions,
  type FakeTarget,
  type Faults,
  fake,
  type RunFault,
} from './fake.ts'
